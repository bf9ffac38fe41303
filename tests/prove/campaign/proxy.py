"""A proxy of bytes between one process and the broker, a process of its own, commanded by lines on input.

  pass           everything goes through at once
  cut            connections are broken and new ones are refused
  hole WAY       nothing goes through any more, connections stay: WAY is up, down or both
  delay MS       each piece of data is held back by up to MS milliseconds, in both directions
  slow BYTES     so many bytes a second, in each direction of each connection

What is held back is kept, as the sender's kernel would keep it. This knows nothing of Kafka's frames: the
broker has a listener whose advertised address is this proxy's.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys

PIECE = 65_536
LOOK_S = 0.02


class Network:
    """How the network is at present, and the connections through it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.writers: set[asyncio.StreamWriter] = set()
        self.set("pass", "")

    def set(self, mode: str, value: str) -> None:
        self.is_cut = mode == "cut"
        self.holes = {"up", "down"} if value == "both" else {value} if mode == "hole" else set()
        self.delay_ms = float(value) if mode == "delay" else 0.0
        self.bytes_per_s = float(value) if mode == "slow" else 0.0
        if self.is_cut:
            for writer in list(self.writers):
                writer.transport.abort()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, broker_writer}
        await asyncio.gather(self.pump("up", reader, broker_writer), self.pump("down", broker_reader, writer))
        self.writers -= {writer, broker_writer}

    async def pump(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(PIECE):
                await self.hold(way, len(data))
                await self.write(writer, data)
        except OSError:
            pass
        finally:
            if not writer.is_closing():
                writer.close()

    async def hold(self, way: str, size: int) -> None:
        if self.delay_ms:
            await asyncio.sleep(random.random() * self.delay_ms / 1000)
        while way in self.holes:
            await asyncio.sleep(LOOK_S)

    async def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = len(data) - at
            if self.bytes_per_s:
                size = min(size, max(1, int(self.bytes_per_s * LOOK_S)))
                await asyncio.sleep(size / self.bytes_per_s)
            writer.write(data[at : at + size])
            await writer.drain()
            at += size


async def serve(listen: int, target: int) -> None:
    network = Network(target)
    server = await asyncio.start_server(network.connected, "127.0.0.1", listen)
    print("listening", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        mode, _, value = line.strip().partition(" ")
        network.set(mode, value)
        print(line.strip(), flush=True)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--target", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.listen, arguments.target))


if __name__ == "__main__":
    main()

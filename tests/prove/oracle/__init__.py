"""An independent oracle: what the outputs of an application must be, worked out from its configuration and
its source records alone. It shares no code, table or generated file with the product."""

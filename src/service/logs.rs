//! Logs on standard error and, where an endpoint is configured, traces to an OTLP collector.
//!
//! A terminal gets short lines for people, everything else one JSON object a line, with `trace_id` and
//! `span_id` where a trace is recorded. Every line that a person or an alert acts on carries the field
//! `event`, a code in snake case that stays when words change. No payload is ever a field. Control characters
//! are escaped in both forms, so that what a record or a peer says cannot forge a line: JSON does so by
//! itself, and the short form through a formatter of fields of our own, since the library's escapes only what
//! moves a terminal's cursor and lets line breaks through. This reads no environment: filter and colours are
//! arguments.

use std::fmt::{self, Debug};
use std::time::Duration;

use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{FmtSpan, FormatEvent, FormatFields, JsonFields, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, MakeWriter, format, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How the process logs.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The application's name, which traces carry as `service.name`.
    pub application: String,
    /// Directives as in `RUST_LOG`, laid over [`DEFAULT_FILTER`]: `debug`, `off`, `bespoke::runtime=trace`.
    pub filter: Option<String>,
    /// Whether standard error is a terminal.
    pub terminal: bool,
    /// The colours asked for; only a terminal's lines have any.
    pub color: Color,
    /// Base URL of an OTLP collector that speaks HTTP, such as `http://localhost:4318`; none sends no traces.
    pub traces_to: Option<String>,
}

/// When to colour lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// On a terminal, whatever `NO_COLOR` says.
    Always,
    /// Nowhere.
    Never,
}

impl Color {
    /// What to do by the flag `--color`, if given, and by whether `NO_COLOR` is set to anything.
    pub fn decide(flag: Option<Self>, no_color: bool) -> Self {
        flag.unwrap_or(if no_color { Self::Never } else { Self::Auto })
    }
}

/// What is logged unless more or less is asked for: our own words, and the libraries' warnings.
pub const DEFAULT_FILTER: &str =
    "info,axum=warn,hyper=warn,hyper_util=warn,tower=warn,opentelemetry=warn,reqwest=warn,rustls=warn";

/// How long the last spans may take to leave when the process ends.
const FLUSH_AGE_MAX: Duration = Duration::from_secs(2);

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("the log filter `{filter}` cannot be read: {reason}. Write it as `info` or `bespoke=debug,warn`")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Traces cannot be sent.
    #[error("traces cannot be sent to `{endpoint}`: {reason}. Give the base URL of an OTLP collector")]
    Traces {
        /// The endpoint as given.
        endpoint: String,
        /// What the exporter said.
        reason: ExporterBuildError,
    },
    /// Something else has set up logging in this process.
    #[error("logging has been set up already in this process")]
    Twice,
}

/// Keeps traces flowing; dropped at the end of `main`, it sends the last ones within two seconds.
#[derive(Debug)]
#[must_use = "spans that are still here when the process ends are lost without it"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
    flush_age_max: Duration,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(provider) = self.provider.take() else { return };
        if let Err(error) = provider.shutdown_with_timeout(self.flush_age_max) {
            tracing::warn!(event = "traces_lost", %error, "the last traces did not reach the collector");
        }
    }
}

/// Sets up logging for the whole process, once.
///
/// # Errors
/// When the filter or the endpoint cannot be read, or when it was set up before. Whether a collector answers
/// is not asked: its absence must not keep the process from its work.
pub fn start(options: &LogOptions) -> Result<Guard, LogError> {
    let filter = filter(options.filter.as_deref())?;
    let provider = options.traces_to.as_deref().map(|base| traces(base, &options.application)).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_location(false).with_tracer(provider.tracer("bespoke"))
    });
    tracing_subscriber::registry()
        .with(filter)
        .with(spans)
        .with(lines(options.terminal, options.color, std::io::stderr))
        .try_init()
        .map_err(|_| LogError::Twice)?;
    Ok(Guard { provider, flush_age_max: FLUSH_AGE_MAX })
}

/// Later directives for a target replace earlier ones, so what was asked for wins over the default.
fn filter(asked: Option<&str>) -> Result<EnvFilter, LogError> {
    let asked = asked.map(str::trim).filter(|asked| !asked.is_empty());
    let all = asked.map_or_else(|| DEFAULT_FILTER.to_owned(), |asked| format!("{DEFAULT_FILTER},{asked}"));
    EnvFilter::builder().with_regex(false).parse(all).map_err(|error| LogError::Filter {
        filter: asked.unwrap_or_default().to_owned(),
        reason: error.to_string(),
    })
}

fn traces(base: &str, application: &str) -> Result<SdkTracerProvider, LogError> {
    let endpoint = format!("{}/v1/traces", base.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(&endpoint)
        .build()
        .map_err(|reason| LogError::Traces { endpoint: endpoint.clone(), reason })?;
    Ok(SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(application.to_owned()).build())
        .with_batch_exporter(exporter)
        .build())
}

fn lines<S, W>(terminal: bool, color: Color, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = layer().with_writer(writer).with_span_events(FmtSpan::NONE);
    if !terminal {
        let json = format().json().flatten_event(true).with_current_span(true).with_span_list(false);
        return layer.with_ansi(false).event_format(Traced(json)).fmt_fields(JsonFields::new()).boxed();
    }
    let fields = debug_fn(|writer: &mut Writer<'_>, field, value: &dyn Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        escape(&format!("{value:?}"), writer)
    });
    layer.with_ansi(color != Color::Never).compact().fmt_fields(fields.delimited(" ")).boxed()
}

/// Writes text so that it stays on its line and moves no cursor.
fn escape(text: &str, to: &mut Writer<'_>) -> fmt::Result {
    text.chars().try_for_each(|character| {
        if character.is_control() {
            write!(to, "{}", character.escape_default())
        } else {
            to.write_char(character)
        }
    })
}

/// JSON lines with the ids of the trace that they belong to, where there is one.
struct Traced<F>(F);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let span = opentelemetry::Context::map_current(|current| current.span().span_context().clone());
        if !span.is_valid() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let open = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        writeln!(writer, r#"{open},"trace_id":"{}","span_id":"{}"}}"#, span.trace_id(), span.span_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::{Arc, Mutex, mpsc};
    use std::thread;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(terminal: bool, asked: Option<&str>, say: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let provider = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry()
            .with(filter(asked).unwrap())
            .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
            .with(lines(terminal, Color::Never, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, say);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn say_something_nasty() {
        let span = tracing::info_span!("turn", topic = %"a\nb");
        let _entered = span.enter();
        let nasty = "x\r\nERROR forged \u{1b}[2J";
        tracing::info!(event = "code", id = %nasty, text = nasty, "said {nasty}");
    }

    #[test]
    fn what_a_peer_says_stays_on_its_line() {
        let short = written(true, None, say_something_nasty);
        assert_eq!(short.matches('\n').count(), 1, "{short}");
        assert!(!short.trim_end().chars().any(char::is_control), "{short:?}");
        assert!(short.contains(r"said x\r\nERROR forged") && short.contains("event=\"code\""), "{short}");
        let json = written(false, None, say_something_nasty);
        assert_eq!(json.matches('\n').count(), 1, "{json}");
        let line: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(line["id"], "x\r\nERROR forged \u{1b}[2J");
        assert_eq!((&line["event"], &line["level"]), (&"code".into(), &"INFO".into()));
    }

    #[test]
    fn a_line_inside_a_span_names_its_trace_and_one_outside_does_not() {
        let inside: serde_json::Value =
            serde_json::from_str(&written(false, None, say_something_nasty)).unwrap();
        assert_eq!(inside["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(inside["span_id"].as_str().unwrap().len(), 16);
        assert_eq!(inside["span"]["topic"], "a\nb");
        let outside = written(false, None, || tracing::info!("alone"));
        let outside: serde_json::Value = serde_json::from_str(&outside).unwrap();
        assert!(outside.get("trace_id").is_none());
    }

    #[test]
    fn libraries_are_quiet_until_asked_and_off_is_off() {
        let say = || {
            tracing::info!(target: "hyper::proto", "chatter");
            tracing::debug!(target: "bespoke::runtime", "detail");
            tracing::info!(target: "bespoke::runtime", "news");
        };
        let usual = written(true, None, say);
        assert!(usual.contains("news") && !usual.contains("chatter") && !usual.contains("detail"), "{usual}");
        let more = written(true, Some("bespoke=debug,hyper=info"), say);
        assert!(more.contains("chatter") && more.contains("detail"), "{more}");
        assert_eq!(written(true, Some("off"), say), "");
        let refused = filter(Some("bespoke=loud")).unwrap_err().to_string();
        assert!(refused.contains("bespoke=loud"), "{refused}");
    }

    /// One span, sent to `address` when the guard is dropped.
    fn send_a_span(address: SocketAddr, flush_age_max: Duration) {
        let provider = traces(&format!("http://{address}/"), "shop").unwrap();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
        tracing::subscriber::with_default(subscriber, || drop(tracing::info_span!("commit-span").entered()));
        drop(Guard { provider: Some(provider), flush_age_max });
    }

    #[test]
    fn dropping_the_guard_sends_the_last_spans() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = collector.local_addr().unwrap();
        let sender = thread::spawn(move || send_a_span(address, Duration::from_secs(10)));
        let (mut stream, _) = collector.accept().unwrap();
        let mut received = Vec::new();
        let mut piece = [0; 4096];
        while !received.windows(11).any(|bytes| bytes == b"commit-span") {
            let read = stream.read(&mut piece).unwrap();
            assert!(read > 0, "the span is not in what was sent");
            received.extend_from_slice(&piece[..read]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        sender.join().unwrap();
        let text = String::from_utf8_lossy(&received);
        assert!(text.starts_with("POST /v1/traces HTTP/1.1") && text.contains("shop"), "{text}");
    }

    #[test]
    fn a_collector_that_never_answers_costs_at_most_the_deadline() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let (say, heard) = mpsc::channel();
        thread::spawn(move || {
            send_a_span(address, Duration::from_millis(20));
            say.send(()).expect("the test listens");
        });
        // The exporter itself would wait for ten seconds.
        heard.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(traces("not a url", "shop").unwrap_err().to_string().contains("not a url"));
    }
}

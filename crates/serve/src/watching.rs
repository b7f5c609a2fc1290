//! What a served version is asked, beside what it was made with: the newest requests in a window, and the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use monitor::{
    Answer as Coded, Answered, Log, Profile, Raw, Record, Schema, Settings, Status, Verdict, Window,
};
use pipeline::metrics::greatest;

use crate::error::{Kind, Refusal};
use crate::model::Served;
use crate::protocol::{Answer, Question, Values};

/// Requests whose inputs and answers are compared with the profile: the newest.
const WINDOW: usize = 1000;

/// What is kept of one version's requests.
pub(crate) struct Watched {
    profile: Profile,
    window: Mutex<Window>,
    schema: Arc<Schema>,
    labels: Vec<Arc<str>>,
}

impl Watched {
    pub(crate) fn new(profile: Profile, (model, version): (&str, u32), labels: &[String]) -> Self {
        let window = Mutex::new(Window::new(&profile, WINDOW));
        let fields = profile.fields().map(str::to_owned).collect();
        let schema = Arc::new(Schema { model: model.to_owned(), version, fields });
        Watched {
            profile,
            window,
            schema,
            labels: labels.iter().map(|label| label.as_str().into()).collect(),
        }
    }

    /// What the tests say of the newest requests.
    pub(crate) fn verdict(&self) -> Verdict {
        self.window
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .verdict(&self.profile, &Settings::default())
    }
}

/// The log of requests, and names for those that have none.
pub(crate) struct Requests {
    log: Option<Log>,
    began: u64,
    count: AtomicU64,
}

impl Requests {
    pub(crate) fn new(log: Option<Log>) -> Self {
        Requests { log, began: unix_ms(), count: AtomicU64::new(0) }
    }

    /// Whether requests are logged, and so need a name.
    pub(crate) fn are_logged(&self) -> bool {
        self.log.is_some()
    }

    /// A name that no request had before.
    pub(crate) fn name(&self) -> String {
        format!("{:x}-{:x}", self.began, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts what was asked and answered, and logs it. Costs microseconds; never waits.
    pub(crate) fn note(
        &self,
        served: &Served,
        question: &Question,
        answer: &Result<Answer, Refusal>,
        took: Duration,
    ) {
        let Some(watched) = &served.watched else { return };
        let logged = self.log.as_ref().filter(|log| log.wants(&question.id));
        if answer.is_err() && logged.is_none() {
            return; // nothing is counted of a refusal: the busiest time is no time to look at it
        }
        let (count, row_len) = (question.examples.count, served.signature.row_len);
        let mut summary = Vec::new();
        let mut codes = Vec::new();
        for example in 0..count {
            let row = example * row_len..(example + 1) * row_len;
            let raw = match &question.examples.values {
                Values::U8(values) => Raw::U8(&values[row]),
                Values::F32(values) => Raw::F32(&values[row]),
            };
            summary.clear();
            let known = watched.profile.inputs().summarise(raw, &mut summary);
            let answered = answer.as_ref().ok().map(|answer| watched.answered(answer, example));
            if let (true, Some((coded, _))) = (known, &answered) {
                codes.push(watched.profile.code_all(&summary, Some(*coded)));
            }
            if let Some(log) = logged {
                let id = match count {
                    1 => question.id.clone(),
                    _ => format!("{}/{example}", question.id),
                };
                log.record(Record {
                    schema: watched.schema.clone(),
                    id,
                    unix_ms: unix_ms() as i64,
                    inputs: if known { summary.iter().copied().map(Some).collect() } else { Vec::new() },
                    answer: answered.map(|(_, answered)| answered),
                    latency_us: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
                    status: status(answer),
                });
            }
        }
        let mut window = watched.window.lock().unwrap_or_else(PoisonError::into_inner);
        codes.into_iter().for_each(|code| window.push(code));
    }
}

impl Watched {
    fn answered(&self, answer: &Answer, example: usize) -> (Coded, Answered) {
        let width = answer.numbers[0].len() / answer.count;
        let row = &answer.numbers[0][example * width..(example + 1) * width];
        if self.labels.is_empty() {
            let value = f64::from(row[0]);
            return (Coded::Value(value), Answered::Value(value));
        }
        let class = greatest(row);
        let share = row[class];
        (Coded::Class(class as u32, share), Answered::Class(self.labels[class].clone(), share))
    }
}

fn status(answer: &Result<Answer, Refusal>) -> Status {
    match answer {
        Ok(_) => Status::Ok,
        Err(Refusal { kind: Kind::Internal | Kind::Unavailable | Kind::Late, .. }) => Status::Failed,
        Err(_) => Status::Refused,
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

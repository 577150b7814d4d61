//! Joining: equal questions in flight share one answer, and nobody's leaving stops the work.
use crate::error::Place;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// How far work has come, for whoever stops waiting before its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    /// What went wrong, and was tried again.
    trouble: Option<SmolStr>,
    /// Whose answer is awaited.
    waiting: Option<Place>,
    /// Work that waits for this one: what is noted here is noted there.
    listeners: Vec<Progress>,
}

impl Progress {
    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last trouble.
    pub(crate) fn last(&self) -> Option<SmolStr> {
        self.lock().trouble.clone()
    }

    /// Whose answer is awaited.
    pub(crate) fn waiting(&self) -> Option<Place> {
        self.lock().waiting.clone()
    }

    /// Notes trouble that is not the end.
    pub(crate) fn note(&self, words: &SmolStr) {
        let listeners = {
            let mut noted = self.lock();
            noted.trouble = Some(words.clone());
            noted.listeners.clone()
        };
        for listener in &listeners {
            listener.note(words);
        }
    }

    /// Notes whose answer is awaited.
    pub(crate) fn wait_for(&self, place: &Place) {
        let listeners = {
            let mut noted = self.lock();
            noted.waiting = Some(place.clone());
            noted.listeners.clone()
        };
        for listener in &listeners {
            listener.wait_for(place);
        }
    }

    /// Tells larger work of what happens here.
    pub(crate) fn tell(&self, listener: &Self) {
        self.lock().listeners.push(listener.clone());
    }
}

type UnderWay<V> = (watch::Receiver<Option<V>>, Progress);

/// Answers under way, by question.
pub(crate) struct Flights<K, V>(Arc<Mutex<BTreeMap<K, UnderWay<V>>>>);

impl<K, V> Clone for Flights<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Flights")
    }
}

/// Takes a question off the list when its work ends, however it ends.
struct Landing<K: Ord, V>(Flights<K, V>, Option<K>);

impl<K: Ord, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        if let Some(key) = self.1.take() {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }
}

impl<K, V> Flights<K, V>
where
    K: Ord + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work for `key`, or starts it detached. The flag tells whether it was joined.
    ///
    /// INVARIANT: the question leaves the list before its answer is handed out, so that an answer
    /// is never given to somebody who asked after it was known.
    pub(crate) fn join<F>(&self, key: K, work: impl FnOnce(Progress) -> F) -> (Arrival<V>, bool)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((receiver, progress)) = list.get(&key) {
            return (Arrival(receiver.clone(), progress.clone()), true);
        }
        let (sender, receiver) = watch::channel(None);
        let progress = Progress::default();
        list.insert(key.clone(), (receiver.clone(), progress.clone()));
        drop(list);
        let landing = Landing(self.clone(), Some(key));
        let work = work(progress.clone());
        tokio::spawn(async move {
            let answer = work.await;
            drop(landing);
            sender.send_replace(Some(answer));
        });
        (Arrival(receiver, progress), false)
    }
}

/// An answer that comes.
pub(crate) struct Arrival<V>(watch::Receiver<Option<V>>, Progress);

impl<V: Clone> Arrival<V> {
    /// What went wrong so far.
    pub(crate) fn progress(&self) -> Progress {
        self.1.clone()
    }

    /// Waits; `None` when the work died (a defect: its task panicked, or the runtime ends).
    pub(crate) async fn wait(mut self) -> Option<V> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    #[tokio::test]
    async fn a_thousand_equal_questions_cost_one_answer() {
        let flights = Flights::<u8, usize>::default();
        let count = Arc::new(AtomicUsize::new(0));
        let waits: Vec<_> = (0..1000)
            .map(|_| {
                let count = Arc::clone(&count);
                let work = |_| async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    count.fetch_add(1, Ordering::SeqCst) + 1
                };
                flights.join(7, work).0.wait()
            })
            .collect();
        for answer in futures_util::future::join_all(waits).await {
            assert_eq!(answer, Some(1));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_work_goes_on_when_everybody_left() {
        let flights = Flights::<u8, u8>::default();
        let done = Arc::new(tokio::sync::Notify::new());
        let seen = Arc::clone(&done);
        let (arrival, _) = flights.join(1, |_| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            seen.notify_one();
            1
        });
        drop(arrival);
        tokio::time::timeout(Duration::from_secs(5), done.notified()).await.unwrap();
    }

    #[tokio::test]
    async fn who_asks_after_the_answer_asks_anew() {
        let flights = Flights::<u8, u8>::default();
        assert_eq!(flights.join(1, |_| async { 1 }).0.wait().await, Some(1));
        let (arrival, joined) = flights.join(1, |_| async { 2 });
        assert!(!joined);
        assert_eq!(arrival.wait().await, Some(2));
    }

    #[tokio::test]
    async fn work_that_dies_does_not_leave_its_callers_waiting() {
        let flights = Flights::<u8, u8>::default();
        let (arrival, _) = flights.join(1, |_| async { panic!("on purpose") });
        assert_eq!(arrival.wait().await, None);
        assert_eq!(flights.join(1, |_| async { 2 }).0.wait().await, Some(2));
    }
}

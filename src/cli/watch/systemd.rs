//! What systemd is told; nothing, where nobody listens (`NOTIFY_SOCKET` is not set).

use std::time::Duration;

use sd_notify::NotifyState;

/// What stands in the status line.
pub struct Systemd {
    /// Interfaces that are watched.
    pub watched: usize,
    /// Passes under way.
    pub passes: usize,
}

impl Systemd {
    /// The settings are read and the inboxes watched.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
    }

    /// The daemon goes round.
    pub fn alive(&self) {
        tell(&[NotifyState::Watchdog, NotifyState::Status(&self.status())]);
    }

    /// The settings are being read again.
    pub fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now();
        match now {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// No pass begins any more.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// Returns how soon [`Systemd::alive`] is to be called again.
    pub fn within(&self) -> Option<Duration> {
        let mut usec = 0;
        sd_notify::watchdog_enabled(false, &mut usec).then(|| Duration::from_micros(usec / 3))
    }

    fn status(&self) -> String {
        format!("watching {}, passes under way: {}", self.watched, self.passes)
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(err) = sd_notify::notify(false, states) {
        log::debug!("systemd was not told: {err}");
    }
}

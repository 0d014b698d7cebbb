import Glibc
import Synchronization

/// Requests to a running job: to save a checkpoint, or to save one and stop.
///
/// A job in its own process receives them as signals: SIGUSR1 requests a checkpoint, SIGTERM and SIGINT request a stop.
/// A handler only sets a flag. The trainer reads it once per step, and all ranks act after the same step. A program
/// that embeds training can pass its own requests to a job instead.
public final class StopSignals: Sendable {
  /// The requests by signals to this process, after a call of ``install()``.
  public static let process = StopSignals()

  private let stopSignal = Atomic<Int32>(0)
  private let saveRequested = Atomic<Bool>(false)
  /// The time of the first stop signal, in seconds of the monotonic clock.
  private let firstStopAt = Atomic<Int>(0)

  /// Creates an object without requests.
  public init() {}

  /// Handles SIGINT, SIGTERM, SIGHUP (unless it is ignored, as under nohup) and SIGUSR1 from now on. A second stop
  /// signal ends the process immediately if it comes at least two seconds after the first. An earlier one is a
  /// duplicate, as launchers and `timeout` send them.
  public static func install() {
    _ = process  // initialized here, because a signal handler must not be the first to use it
    for number in [SIGINT, SIGTERM, SIGHUP] {
      var before = sigaction()
      sigaction(number, nil, &before)
      if number == SIGHUP, isIgnored(before) { continue }
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        if StopSignals.process.isRepeated(number) { _exit(128 + number) }
      }
      // Interrupted system calls are restarted, and the request takes effect after the step.
      action.sa_flags = SA_RESTART
      sigaction(number, &action, nil)
    }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in StopSignals.process.requestCheckpoint() }
    action.sa_flags = SA_RESTART
    sigaction(SIGUSR1, &action, nil)
    // The thread may have inherited a mask that blocks these signals.
    var ours = sigset_t()
    sigemptyset(&ours)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] { sigaddset(&ours, number) }
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
  }

  private static func isIgnored(_ action: sigaction) -> Bool {
    unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Records a stop signal. Returns true if it is a second signal and not a duplicate. Only makes async-signal-safe
  /// calls.
  private func isRepeated(_ signal: Int32) -> Bool {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    guard requestStop(signal) != nil else {
      firstStopAt.store(now.tv_sec, ordering: .relaxed)
      return false
    }
    return now.tv_sec - firstStopAt.load(ordering: .relaxed) >= 2
  }

  /// Requests a checkpoint and a stop; returns the signal of an earlier request, if there was one.
  @discardableResult
  public func requestStop(_ signal: Int32 = SIGTERM) -> Int32? {
    let earlier = stopSignal.exchange(signal, ordering: .relaxed)
    return earlier == 0 ? nil : earlier
  }

  /// Requests a checkpoint after the next step.
  public func requestCheckpoint() { saveRequested.store(true, ordering: .relaxed) }

  /// The signal that requested a stop; nil if there was none.
  public var stop: Int32? {
    let number = stopSignal.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// Returns true once after one or several requests for a checkpoint.
  func takeSaveRequest() -> Bool { saveRequested.exchange(false, ordering: .relaxed) }
}

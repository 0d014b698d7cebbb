import Glibc
import Synchronization

/// Requests to a running job: for a checkpoint, or for a checkpoint and the end.
///
/// A job that has its own process receives them as signals: SIGUSR1 asks for a checkpoint, SIGTERM and SIGINT ask for the
/// end. A handler only sets a flag. The trainer reads it once per step, and all ranks act after the same step. A program
/// that embeds training can give a job its own requests instead.
public final class StopSignals: Sendable {
  /// The requests of the signals sent to this process, once ``install()`` was called.
  public static let process = StopSignals()

  private let stopSignal = Atomic<Int32>(0)
  private let saveRequested = Atomic<Bool>(false)
  /// Seconds of the monotonic clock at the first stop signal.
  private let firstStopAt = Atomic<Int>(0)

  /// No requests yet.
  public init() {}

  /// Takes over SIGINT, SIGTERM, SIGHUP (unless it is ignored, as under nohup) and SIGUSR1 for the rest of the
  /// process. A second signal to stop ends the process at once if it comes at least two seconds after the first. An
  /// earlier one is a duplicate, as launchers and `timeout` send them.
  public static func install() {
    _ = process  // made here, since a signal handler must not be the first to need it
    for number in [SIGINT, SIGTERM, SIGHUP] {
      var before = sigaction()
      sigaction(number, nil, &before)
      if number == SIGHUP, isIgnored(before) { continue }
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        if StopSignals.process.isRepeated(number) { _exit(128 + number) }
      }
      // A call that waits goes on, and the request is acted upon after the step.
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

  /// Records a stop signal; true if it is a second one and no duplicate. Makes only async-signal-safe calls.
  private func isRepeated(_ signal: Int32) -> Bool {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    guard requestStop(signal) != nil else {
      firstStopAt.store(now.tv_sec, ordering: .relaxed)
      return false
    }
    return now.tv_sec - firstStopAt.load(ordering: .relaxed) >= 2
  }

  /// Asks for a checkpoint and the end; returns the signal of an earlier request, if there was one.
  @discardableResult
  public func requestStop(_ signal: Int32 = SIGTERM) -> Int32? {
    let earlier = stopSignal.exchange(signal, ordering: .relaxed)
    return earlier == 0 ? nil : earlier
  }

  /// Asks for a checkpoint after the next step.
  public func requestCheckpoint() { saveRequested.store(true, ordering: .relaxed) }

  /// The signal that asked for the end; nil: none did.
  public var stop: Int32? {
    let number = stopSignal.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// True once after one or several requests for a checkpoint.
  func takeSaveRequest() -> Bool { saveRequested.exchange(false, ordering: .relaxed) }
}

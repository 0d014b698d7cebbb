import Glibc
import Synchronization

/// What a running job was asked from outside: a checkpoint, or a checkpoint and an orderly end.
///
/// In a process of its own a job listens to signals: SIGUSR1 asks for a checkpoint, SIGTERM and SIGINT for
/// the end. A handler only sets a flag; the trainer looks at it once a step, and all ranks agree on the step.
/// A program that embeds training can give a job requests of its own instead.
public final class StopSignals: Sendable {
  /// The requests of the signals sent to this process, once ``install()`` was called.
  public static let process = StopSignals()

  private let stopSignal = Atomic<Int32>(0)
  private let saveRequested = Atomic<Bool>(false)
  /// Seconds of the monotonic clock at the first stop signal.
  private let firstStopAt = Atomic<Int>(0)

  /// Nothing is asked for yet.
  public init() {}

  /// Takes over SIGINT, SIGTERM, SIGHUP (unless it is ignored, as under nohup) and SIGUSR1 for the rest of the
  /// process. A further signal to stop at least two seconds after the first ends the process at once, for people who
  /// really mean it; sooner it is a duplicate, as launchers and `timeout` send them.
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
      sigaction(number, &action, nil)
    }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in StopSignals.process.requestCheckpoint() }
    action.sa_flags = SA_RESTART
    sigaction(SIGUSR1, &action, nil)
    // A program that blocks these signals in the thread that starts this one passes the block on.
    var ours = sigset_t()
    sigemptyset(&ours)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] { sigaddset(&ours, number) }
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
  }

  private static func isIgnored(_ action: sigaction) -> Bool {
    unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Notes a stop signal; true if it is meant as a second one. Only async-signal-safe calls.
  private func isRepeated(_ signal: Int32) -> Bool {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    guard requestStop(signal) != nil else {
      firstStopAt.store(now.tv_sec, ordering: .relaxed)
      return false
    }
    return now.tv_sec - firstStopAt.load(ordering: .relaxed) >= 2
  }

  /// Asks for a checkpoint and an orderly end; returns the signal of an earlier request, if there was one.
  @discardableResult
  public func requestStop(_ signal: Int32 = SIGTERM) -> Int32? {
    let earlier = stopSignal.exchange(signal, ordering: .relaxed)
    return earlier == 0 ? nil : earlier
  }

  /// Asks for a checkpoint after the next step.
  public func requestCheckpoint() { saveRequested.store(true, ordering: .relaxed) }

  /// The signal that asked for the end, if one did.
  public var stop: Int32? {
    let number = stopSignal.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// True once after one or several requests for a checkpoint.
  func takeSaveRequest() -> Bool { saveRequested.exchange(false, ordering: .relaxed) }
}

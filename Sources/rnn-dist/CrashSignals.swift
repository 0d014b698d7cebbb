// Separate file: signal handlers have special rules.

import Glibc

/// Lets crash signals from outside end the process.
///
/// The backtracer of the Swift runtime handles SIGABRT, SIGSEGV, SIGILL, SIGBUS and similar signals. It expects the
/// failed instruction to fail again after its handler has returned. A signal from another process isn't repeated, so
/// the first one would only print a backtrace.
enum CrashSignals {
  /// The signal actions of the runtime, by signal.
  private nonisolated(unsafe) static let runtime = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)

  /// Installs a handler in front of that of the runtime, if there is one.
  static func install() {
    for number in [SIGABRT, SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGQUIT, SIGTRAP] {
      var before = sigaction()
      guard sigaction(number, nil, &before) == 0, before.sa_flags & SA_SIGINFO != 0 else { continue }
      (runtime + Int(number)).initialize(to: before)
      var action = before
      action.__sigaction_handler.sa_sigaction = { number, information, context in
        // Positive codes come from the kernel, the others from kill(2) and similar calls.
        if let information, information.pointee.si_code <= 0 {
          signal(number, SIG_DFL)
          // The signal is delivered when this handler returns.
          raise(number)
        } else {
          CrashSignals.runtime[Int(number)].__sigaction_handler.sa_sigaction?(number, information, context)
        }
      }
      sigaction(number, &action, nil)
    }
  }
}

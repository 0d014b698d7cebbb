// Its own file: handlers of signals have rules of their own.

import Glibc

/// Lets signals of crashes that come from outside end the process.
///
/// The backtracer of the Swift runtime handles SIGABRT, SIGSEGV, SIGILL, SIGBUS and the like. It expects that the instruction that
/// failed fails again after its handler has returned. A signal that another process has sent isn't repeated, so the first one
/// would only print a backtrace.
enum CrashSignals {
  /// The actions of the runtime, by signal.
  private nonisolated(unsafe) static let runtime = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)

  /// Puts a handler before that of the runtime, where there is one.
  static func install() {
    for number in [SIGABRT, SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGQUIT, SIGTRAP] {
      var before = sigaction()
      guard sigaction(number, nil, &before) == 0, before.sa_flags & SA_SIGINFO != 0 else { continue }
      (runtime + Int(number)).initialize(to: before)
      var action = before
      action.__sigaction_handler.sa_sigaction = { number, information, context in
        // Positive codes come from the kernel, the others from kill(2) and the like.
        if let information, information.pointee.si_code <= 0 {
          signal(number, SIG_DFL)
          // It is delivered when this handler returns.
          raise(number)
        } else {
          CrashSignals.runtime[Int(number)].__sigaction_handler.sa_sigaction?(number, information, context)
        }
      }
      sigaction(number, &action, nil)
    }
  }
}

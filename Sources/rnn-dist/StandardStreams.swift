import Communication
import Glibc
import RunLog

/// Standard output, which receives the results.
///
/// Bytes are passed to the system immediately, so that a reader sees each piece when it is produced. A closed pipe or a
/// full disk is reported as an error; the file handles of Foundation would trap.
enum StandardOutput {
  /// Holds the path of the terminal that `launch/run` writes results to.
  static let variable = "RNN_DIST_OUTPUT_TERMINAL"

  /// The columns of the terminal that shows the results; nil if they go to a pipe or a file, whose lines are not broken. Under
  /// mpirun, standard output is a pipe even if the results are shown on a terminal.
  static var windowWidth: Int? {
    if isatty(STDOUT_FILENO) == 1 { return columns(of: STDOUT_FILENO) }
    return launcherTerminal.flatMap { columns(of: $0) }
  }

  private static let launcherTerminal = openTerminal(namedBy: variable)

  /// Writes bytes unchanged. Throws `OutputFailure`.
  static func write(_ bytes: [UInt8]) throws(OutputFailure) {
    if let number = writeAll(bytes, to: STDOUT_FILENO) { throw OutputFailure(errno: number) }
  }

  /// Writes a text and a line feed. Throws `OutputFailure`.
  static func line(_ text: String) throws(OutputFailure) {
    try write(Array((text + "\n").utf8))
  }
}

/// Standard input, whose lines some commands answer.
enum StandardInput {
  /// Tells a user who started a command without a file what it waits for, such as `a text`.
  static func announce(_ line: String) {
    guard isatty(STDIN_FILENO) == 1 else { return }
    Console.error("type \(line) per line; Ctrl-D ends the input")
  }
}

/// Outputs and names that may have line feeds, such as fields of csv in quotation marks and bytes as tokens, where a line
/// has one of them.
enum OneLine {
  /// The text with each line feed as `\n`. A backslash stays as it is, so the text of `--json` is the exact one.
  static func of(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(0x0A) else { return text }
    return text.flatMap { $0 == 0x0A ? Array("\\n".utf8) : [$0] }
  }

  static func of(_ text: String) -> String { String(decoding: of(Array(text.utf8)), as: UTF8.self) }
}

extension JSONValue {
  /// Creates an object with the members of several lists, in their order.
  static func object(joining lists: [KeyValuePairs<String, JSONValue>]) -> JSONValue {
    .object(lists.flatMap { $0.map { JSONMember($0.key, $0.value) } })
  }

  /// Creates a number, or null.
  init(_ number: Double?) { self = number.map { .double($0) } ?? .null }
  init(_ number: Int?) { self = number.map { .integer($0) } ?? .null }

  /// Creates a text, or null.
  init(_ text: String?) { self = text.map { .string($0) } ?? .null }
}

/// Standard error, which receives the messages. A failure to write there can't be reported anywhere.
///
/// Under mpirun, standard error is a pipe whose reader forwards lines with a delay. If `launch/run` was started from a
/// terminal, it therefore names that terminal in a variable, and rank 0 writes there directly.
enum StandardError {
  /// Holds the path of the terminal that `launch/run` was started from.
  static let variable = "RNN_DIST_TERMINAL"

  static func write(_ text: String) {
    _ = writeAll(Array(text.utf8), to: descriptor)
  }

  /// Whether a line can be redrawn.
  static let isTerminal = isatty(descriptor) == 1 && environment("TERM") != "dumb"

  /// The columns of the terminal, which change when its window is resized; nil if it has none.
  static var windowWidth: Int? { columns(of: descriptor) }

  private static let descriptor: Int32 =
    isatty(STDERR_FILENO) == 1 ? STDERR_FILENO : openTerminal(namedBy: variable) ?? STDERR_FILENO
}

/// Opens the terminal whose path `launch/run` has put into a variable; nil on other ranks than 0, and without a terminal.
private func openTerminal(namedBy variable: String) -> Int32? {
  guard let path = environment(variable), LauncherEnvironment.current?.rank == 0 else { return nil }
  let terminal = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC)
  guard terminal >= 0, isatty(terminal) == 1 else {
    if terminal >= 0 { close(terminal) }
    return nil
  }
  return terminal
}

/// The width of a terminal; nil if it can't be queried.
private func columns(of terminal: Int32) -> Int? {
  var size = winsize()
  guard ioctl(terminal, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 8 else { return nil }
  return Int(size.ws_col)
}

private func environment(_ variable: String) -> String? { getenv(variable).map { String(cString: $0) } }

/// A result couldn't be written to standard output.
struct OutputFailure: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  /// The system's error number.
  let errno: Int32

  /// Whether the reader of a pipe has closed it. This is not an error: `head` does it once it has its lines.
  var isClosedPipe: Bool { errno == EPIPE }

  var exitCode: Int32 { 74 }

  var description: String {
    "can't write to standard output: \(String(cString: strerror(errno))) (errno \(errno)); "
      + "check where it is redirected to"
  }
}

/// Writes all bytes; returns the error number if a write fails.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
  bytes.withUnsafeBytes { buffer in
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        // Another program may have set a terminal or pipe to nonblocking. Wait until it is writable.
        var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&wanted, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return nil
  }
}

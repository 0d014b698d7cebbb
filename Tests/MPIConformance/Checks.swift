#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The checks that one rank made, and those that failed.
public final class Checks {
  /// The names of all checks made.
  public private(set) var names: [String] = []
  /// One line per failed check.
  public private(set) var failures: [String] = []
  /// A prefix of every name, such as the element type.
  var context = ""

  public init() {}

  /// Records whether `name` holds, and why not.
  func check(_ name: String, _ holds: Bool, _ detail: @autoclosure () -> String = "") {
    let full = context.isEmpty ? name : "\(context) \(name)"
    names.append(full)
    if !holds { failures.append("\(full) \(detail())") }
  }

  /// Records whether `actual` is equal to `expected`.
  func equal<Value: Equatable>(_ name: String, _ actual: Value, _ expected: Value) {
    check(name, actual == expected, "is \(actual), expected \(expected)")
  }

  /// Records whether `body` threw an error that `isExpected` accepts.
  func fails<Failure: Error, Value: ~Copyable>(
    _ name: String, with type: Failure.Type, _ isExpected: (Failure) -> Bool,
    _ body: () throws -> Value
  ) {
    do {
      _ = try body()
      check(name, false, "threw nothing")
    } catch let error as Failure {
      check(name, isExpected(error), "threw \(error)")
    } catch {
      check(name, false, "threw \(error) of another type")
    }
  }

  /// Prints the failures of every rank, and on rank 0 the passed checks and their number.
  func report(rank: Int, failed: Bool) {
    // An abort that follows would lose the content of the output buffer.
    defer { fflush(nil) }
    for failure in failures { print("FAIL rank \(rank): \(failure)") }
    guard rank == 0, !failed else { return }
    for name in names { print("ok \(name)") }
    print("conformance: \(names.count) checks passed")
  }
}

import MPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The suites of the wrapper, one after another, on every element type.
enum MPISuite {
  /// Every operation of the wrapper, on every element type.
  static func run() throws {
    let checks = Checks()
    let runtime = try Runtime(requiring: .funneled)
    do throws(MPIError) {
      try EnvironmentSuite.run(runtime, checks)
      // Without a limit, then with at most three elements per call.
      for limit in [Communicator.defaultMaximumCount, 3] {
        let world = try runtime.world().duplicate(maximumCount: limit)
        let label = limit == 3 ? " in parts" : ""
        try run(Int8.self, "Int8" + label, world, checks)
        try run(UInt8.self, "UInt8" + label, world, checks)
        try run(Int16.self, "Int16" + label, world, checks)
        try run(UInt16.self, "UInt16" + label, world, checks)
        try run(Int32.self, "Int32" + label, world, checks)
        try run(UInt32.self, "UInt32" + label, world, checks)
        try run(Int64.self, "Int64" + label, world, checks)
        try run(UInt64.self, "UInt64" + label, world, checks)
        try run(Float.self, "Float" + label, world, checks)
        try run(Double.self, "Double" + label, world, checks)
        checks.context = "errors" + label
        try ErrorSuite.run(world, checks)
        try world.free()
      }
      for limit in [Communicator.defaultMaximumCount, 100_000] {
        let world = try runtime.world().duplicate(maximumCount: limit)
        checks.context = "large, at most \(limit)"
        try LargeSuite.run(world, checks)
        try world.free()
      }
    } catch {
      checks.check("goes on", false, "stopped by \(error)")
      checks.report(rank: error.rank ?? 0, failed: true)
      try runtime.world().abort(1)
    }
    let world = try runtime.world()
    let failed = try world.allreduce([Int32(checks.failures.count)], .sum)[0] > 0
    checks.report(rank: world.rank, failed: failed)
    try runtime.finalize()
    exit(failed ? 1 : 0)
  }

  private static func run<Element: TestElement>(
    _ type: Element.Type, _ label: String, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    checks.context = label
    try MessageSuite.run(type, world, checks)
    try ReductionSuite.run(type, world, checks)
    try BlockSuite.run(type, world, checks)
    try VaryingSuite.run(type, world, checks)
    try WindowSuite.run(type, world, checks)
  }

  /// MPI can be initialized once per process, and not again after it was finalized.
  static func initializeTwice() throws {
    let checks = Checks()
    let runtime = try Runtime()
    checks.fails("second runtime", with: MPIError.self, { $0.kind == .alreadyInitialized }) {
      _ = try Runtime()
    }
    checks.check("the first is unharmed", try runtime.world().rank == 0)
    try runtime.finalize()
    checks.check("finalized", Runtime.isFinalized && Runtime.isInitialized)
    checks.fails("runtime after the end", with: MPIError.self, { $0.kind == .alreadyInitialized }) {
      _ = try Runtime()
    }
    checks.report(rank: 0, failed: !checks.failures.isEmpty)
  }
}

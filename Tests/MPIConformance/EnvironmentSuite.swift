import MPI

/// The runtime, and communicators that are made from others.
enum EnvironmentSuite {
  static func run(_ runtime: borrowing Runtime, _ checks: Checks) throws(MPIError) {
    checks.context = "environment"
    checks.check("initialized", Runtime.isInitialized && !Runtime.isFinalized)
    checks.check("thread level", runtime.threadLevel >= .funneled)
    checks.check("processor name", !runtime.processorName.isEmpty)
    checks.check("library version", Runtime.libraryVersion.contains("MPI"))
    let world = try runtime.world()
    let launcher = LauncherEnvironment.current
    checks.equal("launcher's rank", launcher?.rank, world.rank)
    checks.equal("launcher's size", launcher?.worldSize, world.size)
    checks.equal("launcher's local size", launcher?.localSize, world.size)
    let alone = try runtime.alone()
    checks.equal("alone", [alone.rank, alone.size], [0, 1])

    let copy = try world.duplicate()
    checks.equal("duplicate", [copy.rank, copy.size], [world.rank, world.size])
    try copy.free()

    let half = try world.split(color: world.rank % 2, key: -world.rank)
    switch consume half {
    case .some(let half):
      let members = (0..<world.size).filter { $0 % 2 == world.rank % 2 }.reversed()
      checks.equal(
        "split orders by key", try half.allgather([Int32(world.rank)]), members.map(Int32.init))
      try half.free()
    case .none: checks.check("split", false)
    }
    let chosen = try world.split(color: world.rank == 0 ? 7 : nil)
    switch consume chosen {
    case .some(let chosen):
      checks.equal("split without the others", [world.rank, chosen.size], [0, 1])
      try chosen.free()
    case .none: checks.check("split leaves out", world.rank != 0)
    }
    let host = try world.splitByHost()
    checks.equal("split by host", [host.rank, host.size], [world.rank, world.size])
    try host.free()
    try reductionTable(world, checks)
  }

  /// One user-defined reduction too many is a typed error, and a freed slot can be used again.
  private static func reductionTable(
    _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    try occupy(UserReduction<Int32>.limit, world, checks)
    let again = try UserReduction<Int32> { accumulator, other in
      for index in other.indices { accumulator[index] &+= other[index] }
    }
    checks.equal(
      "a freed slot is used again", try world.allreduce([1], again.operation), [Int32(world.size)])
    try again.free()
  }

  /// Defines and uses reductions until `left` is 0. Each has a different factor.
  private static func occupy(
    _ left: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    guard left > 0 else {
      let limit = UserReduction<Int32>.limit
      return checks.fails(
        "one reduction too many", with: MPIError.self, { $0.kind == .reductionsExhausted(limit: limit) }
      ) {
        _ = try UserReduction<Int32> { _, _ in }
      }
    }
    let factor = Int32(left)
    let own = try UserReduction<Int32> { accumulator, other in
      for index in other.indices { accumulator[index] = accumulator[index] + other[index] + factor }
    }
    try occupy(left - 1, world, checks)
    let ranks = Int32(world.size)
    checks.equal(
      "user reduction \(left)", try world.allreduce([1], own.operation), [ranks + (ranks - 1) * factor])
    try own.free()
  }
}

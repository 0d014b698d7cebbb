import Communication

/// The contract of `Communicator`, checked on all three implementations.
public enum CommunicatorSuite {
  /// Checks `communicator`. All ranks of the job must call this.
  /// - Parameter hasNeighbors: whether every host has several ranks, if there are several.
  public static func run(on communicator: any Communicator, hasNeighbors: Bool = true, _ checks: Checks)
    throws
  {
    identity(communicator, checks)
    try broadcast(communicator, checks)
    try reductions(communicator, checks)
    try summedVector(communicator, checks)
    try hostVector(communicator, hasNeighbors: hasNeighbors, checks)
    try allgather(communicator, checks)
    try exchange(communicator, checks)
    try treeSum(communicator, checks)
    try agreement(communicator, checks)
    try firstRanks(communicator, checks)
    try misuse(communicator, checks)
  }

  private static func identity(_ communicator: any Communicator, _ checks: Checks) {
    checks.check("rank in range", (0..<communicator.worldSize).contains(communicator.rank))
    checks.check("host has a name", !communicator.hostName.isEmpty)
  }

  private static func broadcast(_ communicator: any Communicator, _ checks: Checks) throws {
    for root in 0..<communicator.worldSize {
      for count in [0, 1, 1000] {
        let sent = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + root) }
        var bytes = communicator.rank == root ? sent : [UInt8](repeating: 255, count: count)
        try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, from: root) }
        checks.equal("broadcast of \(count) from \(root)", bytes, sent)
      }
    }
    try communicator.barrier()
  }

  private static func reductions(_ communicator: any Communicator, _ checks: Checks) throws {
    let ranks = communicator.worldSize
    for count in [0, 1, 3, 5000] {
      var floats = (0..<count).map { Float($0 % 100 + communicator.rank) }
      try floats.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
      let sums = (0..<count).map { index in (0..<ranks).reduce(0) { $0 + index % 100 + $1 } }
      checks.equal("allreduceSum of \(count) Float", floats, sums.map(Float.init))
      var doubles = (0..<count).map { Double($0 % 100 + communicator.rank) }
      try doubles.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
      checks.equal("allreduceSum of \(count) Double", doubles, sums.map(Double.init))
    }
    // The sum of these values depends on the order of addition, but the bits must be the same on all ranks.
    var uneven = (0..<1000).map { Float($0 + 1) / Float(3 + communicator.rank * 7) }
    try uneven.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    try communicator.allEqual(uneven.withUnsafeBytes { Array($0) }, what: "the sum")
    checks.check("allreduceSum gives the same bits", true)
    var notANumber = [communicator.rank == communicator.worldSize - 1 ? Float.nan : 1]
    try notANumber.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    checks.check("allreduceSum spreads NaN", notANumber[0].isNaN)
  }

  /// Repeated sums of parts of a vector. Other elements must not change, and every rank must get the same bits.
  private static func summedVector(_ communicator: any Communicator, _ checks: Checks) throws {
    let (ranks, count) = (communicator.worldSize, 10_000)
    let vector = try communicator.makeSummedVector(count: count, wire: .fp32)
    checks.check("a summed vector is zero at first", vector.elements.allSatisfy { $0 == 0 })
    checks.equal("a summed vector is aligned", Int(bitPattern: vector.elements.baseAddress) % 64, 0)
    let value = { (index: Int, rank: Int) in Float(index % 97 + 1) / Float(3 + rank * 7) }
    let allSpans = [[0..<count], [], [3..<4], [0..<17, 40..<41, 4000..<9999], [9999..<10_000]]
    for (method, spans) in vector.methods.flatMap({ method in allSpans.map { (method, $0) } }) {
      vector.method = method
      for index in 0..<count { vector.elements[index] = value(index, communicator.rank) }
      try vector.sum(spans)
      var wrong = 0
      for index in 0..<count {
        let isSummed = spans.contains { $0.contains(index) }
        let expected =
          isSummed
          ? (0..<ranks).reduce(0.0) { $0 + Double(value(index, $1)) }
          : Double(value(index, communicator.rank))
        if abs(Double(vector.elements[index]) - expected) > 1e-6 * abs(expected) { wrong += 1 }
      }
      checks.equal("sum of the spans \(spans) and of nothing else by \(method)", wrong, 0)
      let bytes = spans.flatMap { span in
        vector.elements[span].flatMap { withUnsafeBytes(of: $0, Array.init) }
      }
      try communicator.allEqual(bytes, what: "the sum")
    }
    for method in vector.methods {
      vector.method = method
      try vectorInTree(vector, communicator, checks)
    }
    let part = vectorPart(of: count, rank: communicator.rank, ranks: ranks)
    for index in 0..<count { vector.elements[index] = part.contains(index) ? Float(index) : -1 }
    try vector.gatherParts()
    checks.equal("parts of a vector", Array(vector.elements), (0..<count).map(Float.init))
    try communicator.barrier()
    let rounded = try communicator.makeSummedVector(count: count, wire: .bf16)
    for index in 0..<count { rounded.elements[index] = Float(index % 8 + communicator.rank) }
    try rounded.sum([0..<count])
    let sums = (0..<count).map { index in Float(ranks * (index % 8) + ranks * (ranks - 1) / 2) }
    checks.equal("sums of numbers that bf16 can hold", Array(rounded.elements), sums)
    checks.check(
      "a summed vector of nothing", try communicator.makeSummedVector(count: 0, wire: .fp32).elements.isEmpty)
  }

  /// What a rank writes to its part is read by all ranks on its host.
  private static func hostVector(
    _ communicator: any Communicator, hasNeighbors: Bool, _ checks: Checks
  ) throws {
    let (rank, count) = (communicator.rank, 1000)
    checks.check("a host vector of nothing", try communicator.makeHostVector(count: 0) == nil)
    guard let vector = try communicator.makeHostVector(count: count) else {
      return checks.check(
        "a host vector is missing only without neighbors", communicator.worldSize == 1 || !hasNeighbors)
    }
    checks.equal("a host vector is aligned", Int(bitPattern: vector.elements.baseAddress) % 64, 0)
    checks.check("a host vector is zero at first", vector.elements.allSatisfy { $0 == 0 })
    try vector.fence()
    for round in 1...2 {
      for index in vector.parts[rank] { vector.elements[index] = Float(round * index) }
      try vector.fence()
      let expected = (0..<count).map { Float(round * $0) }
      checks.equal("a host vector in round \(round)", Array(vector.elements), expected)
      try vector.fence()
    }
    checks.equal("parts of a host vector", vector.parts.count, communicator.worldSize)
    try communicator.barrier()
  }

  /// Sums in the fixed tree have the same bits however the ranks are spread over hosts.
  private static func vectorInTree(
    _ vector: any SummedVector, _ communicator: any Communicator, _ checks: Checks
  ) throws {
    let (ranks, count) = (communicator.worldSize, vector.elements.count)
    guard ranks & (ranks - 1) == 0 else { return }
    let value = { (index: Int, rank: Int) in Float(index % 97 + 1) / Float(3 + rank * 7) }
    for index in 0..<count { vector.elements[index] = value(index, communicator.rank) }
    try vector.sum([0..<count], .tree)
    let expected = (0..<count).map { index in
      var level = (0..<ranks).map { value(index, $0) }
      while level.count > 1 {
        level = stride(from: 0, to: level.count, by: 2).map { level[$0] + level[$0 + 1] }
      }
      return level[0]
    }
    checks.equal("sum of a vector in the fixed tree", Array(vector.elements), expected)
    try communicator.barrier()
  }

  private static func allgather(_ communicator: any Communicator, _ checks: Checks) throws {
    let contribution = { (rank: Int) in [UInt8](repeating: UInt8(rank + 1), count: rank * 300 % 7) }
    let gathered = try communicator.allgather(contribution(communicator.rank))
    checks.equal("allgather of differing lengths", gathered, (0..<communicator.worldSize).map(contribution))
  }

  private static func exchange(_ communicator: any Communicator, _ checks: Checks) throws {
    let peer = communicator.rank ^ 1
    // With an odd number of ranks the last one has no peer and exchanges with itself.
    let other = peer < communicator.worldSize ? peer : communicator.rank
    for count in [0, 1, 100_000] {
      let content = { (rank: Int) in (0..<count).map { UInt8(truncatingIfNeeded: $0 + rank) } }
      var received = [UInt8](repeating: 0, count: count)
      try content(communicator.rank).withUnsafeBytes { send in
        try received.withUnsafeMutableBytes { try communicator.exchange(send, $0, with: other) }
      }
      checks.equal("exchange of \(count)", received, content(other))
    }
  }

  private static func treeSum(_ communicator: any Communicator, _ checks: Checks) throws {
    let ranks = communicator.worldSize
    let values = { (rank: Int) in (0..<100).map { Float($0 + 1) / Float(3 + rank * 7) } }
    var own = values(communicator.rank)
    var scratch = [Float](repeating: 0, count: 33)
    let sum = {
      try own.withUnsafeMutableBufferPointer { own in
        try scratch.withUnsafeMutableBufferPointer { try communicator.treeSum(own, scratch: $0) }
      }
    }
    guard ranks & (ranks - 1) == 0 else {
      return checks.fails(
        "treeSum refuses \(ranks) ranks", with: CommunicationError.self,
        { $0.kind == .notPowerOfTwo(worldSize: ranks) && $0.rank == communicator.rank }, sum)
    }
    try sum()
    var level = (0..<ranks).map(values)
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map { pair in
        zip(level[pair], level[pair + 1]).map { $0 + $1 }
      }
    }
    checks.equal("treeSum", own, level[0])
  }

  private static func agreement(_ communicator: any Communicator, _ checks: Checks) throws {
    struct BadData: Error, ExitCoded, CustomStringConvertible {
      let exitCode: Int32 = 65
      let description = "line 7 is not a number"
    }
    checks.equal("agree returns the value", try communicator.agree { communicator.rank }, communicator.rank)
    let last = communicator.worldSize - 1
    checks.fails(
      "agree throws everywhere", with: CollectiveFailure.self,
      { $0.rank == last && $0.exitCode == 65 && $0.message == "line 7 is not a number" && !$0.host.isEmpty }
    ) {
      try communicator.agree { if communicator.rank == last { throw BadData() } }
    }
    checks.fails(
      "nested agree keeps the rank", with: CollectiveFailure.self,
      { $0.rank == last && $0.message == "line 7 is not a number" }
    ) {
      try communicator.agree {
        try communicator.agree { if communicator.rank == last { throw BadData() } }
      }
    }
    try communicator.allEqual([1, 2, 3], what: "a constant")
    guard last > 0 else { return }
    checks.fails(
      "allEqual names the odd rank", with: ReplicaMismatch.self, { $0.ranks == [last] && $0.exitCode == 78 }
    ) {
      try communicator.allEqual([communicator.rank == last ? 1 : 0], what: "the seed")
    }
  }

  private static func firstRanks(_ communicator: any Communicator, _ checks: Checks) throws {
    for count in 1...communicator.worldSize {
      let part = try communicator.first(count)
      checks.equal("first \(count) ranks", part?.rank, communicator.rank < count ? communicator.rank : nil)
      if let part {
        checks.equal("size of the first \(count) ranks", part.worldSize, count)
        var sum = [Double(part.rank)]
        try sum.withUnsafeMutableBufferPointer { try part.allreduceSum($0) }
        checks.equal("sum over the first \(count) ranks", sum, [Double(count * (count - 1) / 2)])
        let vector = try part.makeSummedVector(count: 100, wire: .fp32)
        vector.elements.update(repeating: 1)
        try vector.sum([0..<100])
        checks.check("vector of the first \(count) ranks", vector.elements.allSatisfy { $0 == Float(count) })
        try part.finalize()
      }
      try communicator.barrier()
    }
  }

  private static func misuse(_ communicator: any Communicator, _ checks: Checks) throws {
    for wrong in [-1, communicator.worldSize] {
      checks.fails(
        "broadcast from \(wrong)", with: CommunicationError.self, { $0.kind == .invalidRank(wrong) }
      ) {
        var bytes: [UInt8] = [0]
        try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, from: wrong) }
      }
      checks.fails(
        "exchange with \(wrong)", with: CommunicationError.self, { $0.kind == .invalidRank(wrong) }
      ) {
        try communicator.exchange(.init(start: nil, count: 0), .init(start: nil, count: 0), with: wrong)
      }
    }
    let peer = communicator.rank ^ 1
    guard peer < communicator.worldSize else { return try communicator.barrier() }
    // Both ranks send 8 bytes and expect 4, then 12.
    for expected in [4, 12] {
      checks.fails(
        "exchange of 8 for \(expected)", with: CommunicationError.self,
        { if case .mismatch = $0.kind { $0.rank == communicator.rank } else { false } }
      ) {
        let sent = [UInt8](repeating: 1, count: 8)
        var received = [UInt8](repeating: 0, count: expected)
        try sent.withUnsafeBytes { send in
          try received.withUnsafeMutableBytes { try communicator.exchange(send, $0, with: peer) }
        }
      }
    }
    try communicator.barrier()
  }
}

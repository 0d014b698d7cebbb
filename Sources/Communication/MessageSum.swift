/// Sums over the ranks of a communicator by messages.
final class MessageSum {
  private let communicator: any Communicator
  private let wire: WireFormat
  /// Space to join short spans, so that they are summed in one call. Allocated on first use.
  private var joined: [Float] = []
  /// Receives elements of other ranks. Allocated on first use.
  private var scratch: [Float] = []
  /// Elements to send and elements received in bf16.
  private var (sent, received): ([UInt16], [UInt16]) = ([], [])

  /// A span of this length or more is summed where it is: copying it takes longer than another call.
  static let longSpan = 1 << 16
  /// The largest message of a sum in a tree.
  private static let scratchCount = 1 << 20

  init(over communicator: any Communicator, _ wire: WireFormat) {
    self.communicator = communicator
    self.wire = wire
  }

  /// Overwrites the elements in `spans` with their sums, the same bits on every rank (collective).
  func sum(
    _ elements: UnsafeMutableBufferPointer<Float>, _ spans: [Range<Int>], _ order: SumOrder
  ) throws {
    guard communicator.worldSize > 1 else { return }
    let short = spans.count == 1 ? [] : spans.filter { $0.count < Self.longSpan }
    for span in spans where short.isEmpty || span.count >= Self.longSpan {
      try sum(.init(rebasing: elements[span]), order)
    }
    let total = short.reduce(0) { $0 + $1.count }
    // Steps touch different numbers of rows, so the space may have to grow.
    if joined.count < total { joined = [Float](repeating: 0, count: total + total / 4) }
    try joined.withUnsafeMutableBufferPointer { joined in
      Self.forEachPlace(of: short) { span, place in
        _ = joined[place].update(fromContentsOf: elements[span])
      }
      try sum(.init(rebasing: joined[..<total]), order)
      Self.forEachPlace(of: short) { span, place in
        _ = elements[span].update(fromContentsOf: joined[place])
      }
    }
  }

  /// Frees the buffers, which the next sum allocates again.
  func releaseBuffers() {
    (joined, scratch, sent, received) = ([], [], [], [])
  }

  /// Calls `body` with every span and with its position among the joined spans.
  private static func forEachPlace(of spans: [Range<Int>], _ body: (Range<Int>, Range<Int>) -> Void) {
    var next = 0
    for span in spans {
      body(span, next..<next + span.count)
      next += span.count
    }
  }

  /// Overwrites `values` with their sums, the same bits on every rank (collective). Sums in a tree are sent in fp32.
  func sum(_ values: UnsafeMutableBufferPointer<Float>, _ order: SumOrder) throws {
    guard communicator.worldSize > 1, !values.isEmpty else { return }
    switch (order, wire) {
    case (.tree, _):
      if scratch.isEmpty { scratch = [Float](repeating: 0, count: Self.scratchCount) }
      try scratch.withUnsafeMutableBufferPointer { try communicator.treeSum(values, scratch: $0) }
    case (.any, .fp32): try communicator.allreduceSum(values)
    case (.any, .bf16): try sumInBF16(values)
    }
  }

  /// Each rank receives its part of the other ranks' elements in bf16, adds in fp32, and sends the sums in bf16. It keeps the
  /// rounded sums itself, so that all ranks have the same bits. A rank sends 2 (p - 1) / p times half the bytes.
  private func sumInBF16(_ values: UnsafeMutableBufferPointer<Float>) throws {
    let (rank, ranks, count) = (communicator.rank, communicator.worldSize, values.count)
    func part(_ rank: Int) -> Range<Int> { vectorPart(of: count, rank: rank, ranks: ranks) }
    let own = part(rank)
    if sent.count < count {
      sent = [UInt16](repeating: 0, count: count)
      received = [UInt16](repeating: 0, count: part(0).count)
    }
    try sent.withUnsafeMutableBufferPointer { sent in
      try received.withUnsafeMutableBufferPointer { received in
        let arriving = UnsafeMutableBufferPointer(rebasing: received[..<own.count])
        let peers = communicator.peersInTurn
        for peer in peers {
          encode(values, part(peer), to: sent)
          try exchange(.init(rebasing: sent[part(peer)]), arriving, with: peer)
          for index in own { values[index] += arriving[index - own.lowerBound].bf16Value }
        }
        encode(values, own, to: sent)
        for index in own { values[index] = sent[index].bf16Value }
        for peer in peers {
          let place = UnsafeMutableBufferPointer(rebasing: sent[part(peer)])
          try exchange(.init(rebasing: sent[own]), place, with: peer)
          for index in part(peer) { values[index] = sent[index].bf16Value }
        }
      }
    }
  }

  private func encode(
    _ values: UnsafeMutableBufferPointer<Float>, _ range: Range<Int>,
    to result: UnsafeMutableBufferPointer<UInt16>
  ) {
    for index in range { result[index] = values[index].bf16Bits }
  }

  private func exchange(
    _ send: UnsafeMutableBufferPointer<UInt16>, _ receive: UnsafeMutableBufferPointer<UInt16>, with peer: Int
  ) throws {
    try communicator.exchange(
      UnsafeRawBufferPointer(send), UnsafeMutableRawBufferPointer(receive), with: peer)
  }
}

extension Communicator {
  /// The other ranks, in an order in which each rank is the peer of its peer in every round.
  var peersInTurn: [Int] {
    (0..<worldSize).map { ($0 + worldSize - rank) % worldSize }.filter { $0 != rank }
  }
}

extension Float {
  /// The upper half of the bits, rounded to nearest even. Rounding can make the largest numbers infinite.
  var bf16Bits: UInt16 {
    let bits = bitPattern
    let rounded = UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    // Rounding must not turn a NaN into infinity.
    return isNaN ? UInt16(truncatingIfNeeded: bits >> 16) | 0x40 : rounded
  }
}

extension UInt16 {
  /// The number whose upper half these bits are.
  var bf16Value: Float { Float(bitPattern: UInt32(self) << 16) }
}

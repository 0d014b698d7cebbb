import Communication
import NumericKernels
import Optimizers

/// The optimizer's moments as a checkpoint has them: whole, on rank 0, whatever number of ranks they are divided among.
///
/// If every rank has all moments, these are the optimizer's own. Otherwise rank 0 allocates them, for as long as this value lives.
struct WholeMoments {
  /// Rank 0: the moments with their names, each as long as the parameters. Other ranks: nothing, if moments are divided.
  let all: [(name: String, buffer: UnsafeMutableBufferPointer<Float>)]
  private let owners: [AlignedBuffer<Float>]
  private let optimizer: Optimizer<Float>
  private let parts: [Range<Int>]
  private let communicator: any Communicator

  /// - Parameter parts: for every rank the elements whose moments it has, if moments are divided. Several ranks may have the same
  ///   part.
  init(of optimizer: Optimizer<Float>, parts: [Range<Int>], _ communicator: any Communicator) {
    self.optimizer = optimizer
    self.parts = parts
    self.communicator = communicator
    guard optimizer.isSharded else {
      (all, owners) = (optimizer.moments, [])
      return
    }
    owners =
      communicator.rank == 0
      ? optimizer.moments.map { _ in AlignedBuffer<Float>(count: optimizer.count) } : []
    all = zip(optimizer.moments, owners).map { ($0.name, $1.elements) }
  }

  /// Copies the parts to rank 0, each from the first rank that has it. Collective.
  func gather() throws {
    guard optimizer.isSharded else { return }
    let owners = parts.indices.filter { !parts[..<$0].contains(parts[$0]) }
    for (index, moment) in optimizer.moments.enumerated() {
      try inTurn(owners) { rank in
        try communicator.exchange(
          UnsafeRawBufferPointer(Self.nothing), part(of: all[index].buffer, rank), with: rank)
      } others: {
        try communicator.exchange(UnsafeRawBufferPointer(moment.buffer), Self.nothing, with: 0)
      }
      if communicator.rank == 0 {
        _ = all[index].buffer[optimizer.part].update(fromContentsOf: moment.buffer)
      }
    }
  }

  /// Copies the moments of rank 0 to all ranks, or to each rank its part. Collective.
  func scatter() throws {
    guard optimizer.isSharded else {
      for moment in all { try communicator.broadcast(UnsafeMutableRawBufferPointer(moment.buffer), from: 0) }
      return
    }
    for (index, moment) in optimizer.moments.enumerated() {
      try inTurn(Array(parts.indices)) { rank in
        try communicator.exchange(
          UnsafeRawBufferPointer(part(of: all[index].buffer, rank)), Self.nothing, with: rank)
      } others: {
        try communicator.exchange(
          UnsafeRawBufferPointer(Self.nothing), UnsafeMutableRawBufferPointer(moment.buffer), with: 0)
      }
      if communicator.rank == 0 {
        _ = moment.buffer.update(fromContentsOf: all[index].buffer[optimizer.part])
      }
    }
  }

  /// Runs one exchange of rank 0 with each other one of `ranks`. The ranks whose turn it isn't exchange nothing with
  /// themselves, because all ranks must have made the same number of calls when they compare it (``ReplicaCheck``).
  private func inTurn(
    _ ranks: [Int], rank0 exchangeWith: (_ rank: Int) throws -> Void, others exchange: () throws -> Void
  ) throws {
    for rank in ranks where rank > 0 {
      if communicator.rank == 0 {
        try exchangeWith(rank)
      } else if communicator.rank == rank {
        try exchange()
      } else {
        try communicator.exchange(
          UnsafeRawBufferPointer(Self.nothing), Self.nothing, with: communicator.rank)
      }
    }
  }

  private func part(of whole: UnsafeMutableBufferPointer<Float>, _ rank: Int) -> UnsafeMutableRawBufferPointer
  {
    UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: whole[parts[rank]]))
  }

  private static var nothing: UnsafeMutableRawBufferPointer { .init(start: nil, count: 0) }
}

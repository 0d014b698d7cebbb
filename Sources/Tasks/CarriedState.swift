import Checkpoints
import Communication
import NumericKernels
import RecurrentNN

/// The state that parallel streams carry from batch to batch (truncated backpropagation through time): for each shard of
/// this rank one matrix [streams, numbers] for each part of the state. Models that begin every example anew have no parts.
package final class CarriedState {
  private let parts: [Int]
  private let streams: Int
  private let plan: ShardPlan
  private let shards: [Int: [AlignedMatrix]]
  /// The states of all streams, gathered for a checkpoint.
  private var gathered: [AlignedMatrix] = []

  /// Zeros.
  package init(parts: [Int] = [], streams: Int = 0, plan: ShardPlan) {
    (self.parts, self.streams, self.plan) = (parts, streams, plan)
    var shards: [Int: [AlignedMatrix]] = [:]
    for shard in plan.own where !parts.isEmpty {
      let rows = plan.items(of: shard, count: streams).count
      shards[shard] = parts.map { AlignedMatrix(rows: rows, columns: $0) }
    }
    self.shards = shards
  }

  /// As many streams, all zero.
  package func emptied() -> CarriedState { CarriedState(parts: parts, streams: streams, plan: plan) }

  /// The state of the streams of a shard. The views don't keep the memory that they point into.
  package func views(of shard: Int) -> [MatrixView<Float>] { shards[shard]?.map(\.view) ?? [] }

  package func clear() {
    for state in shards.values { state.forEach { $0.view.fill(0) } }
  }

  /// Sets streams to zero whose state is not finite: whole streams, so that the result does not depend on the number of ranks.
  package func clearNonFinite() {
    for state in shards.values {
      for stream in 0..<(state.first?.view.rows ?? 0) {
        let rows = state.map {
          UnsafeMutableBufferPointer(start: $0.view.row(stream), count: $0.view.columns)
        }
        guard !rows.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { continue }
        for row in rows { row.update(repeating: 0) }
      }
    }
  }

  // MARK: Checkpoints

  /// Names and shapes of the tensors of a checkpoint.
  package var shapes: [(name: String, shape: [Int])] {
    parts.enumerated().map { ("carried_state.\($0)", [streams, $1]) }
  }

  /// The states of all streams of the global batch. Collective. The memory of the tensors belongs to this object.
  package func gather(_ communicator: any Communicator) throws -> [TensorToWrite] {
    guard !parts.isEmpty else { return [] }
    var mine: [UInt8] = []
    for part in parts.indices {
      for shard in plan.own {
        if let matrix = shards[shard]?[part] { mine += Array(UnsafeRawBufferPointer(matrix.elements)) }
      }
    }
    gathered = parts.map { AlignedMatrix(rows: streams, columns: $0) }
    var firstStream = 0
    for bytes in try communicator.allgather(mine) {
      let count = bytes.count / (parts.reduce(0, +) * MemoryLayout<Float>.stride)
      var offset = 0
      for matrix in gathered {
        let length = count * matrix.view.columns * MemoryLayout<Float>.stride
        bytes.withUnsafeBytes { source in
          guard let base = source.baseAddress else { return }  // a rank without streams
          UnsafeMutableRawPointer(matrix.view.base + firstStream * matrix.view.columns)
            .copyMemory(from: base + offset, byteCount: length)
        }
        offset += length
      }
      firstStream += count
    }
    return zip(shapes, gathered).map { entry, matrix in
      TensorToWrite(name: entry.name, shape: entry.shape, floats: UnsafeBufferPointer(matrix.elements))
    }
  }

  /// Takes this rank's part of such tensors, given with all their values in the order of ``shapes``.
  package func restore(_ tensors: [[Float]]) {
    for (part, width) in parts.enumerated() {
      for shard in plan.own {
        let own = plan.items(of: shard, count: streams)
        guard let matrix = shards[shard]?[part] else { continue }
        _ = matrix.elements.update(
          fromContentsOf: tensors[part][own.lowerBound * width..<own.upperBound * width])
      }
    }
  }
}

/// A matrix that owns its memory, for what outlives a step.
package final class AlignedMatrix {
  private let storage: AlignedBuffer<Float>
  package let view: MatrixView<Float>

  /// Zeros.
  package init(rows: Int, columns: Int) {
    storage = AlignedBuffer(count: rows * columns)
    view = MatrixView(storage.base, rows: rows, columns: columns)
  }

  package var elements: UnsafeMutableBufferPointer<Float> { storage.elements }
}

import Checkpoints
import Communication
import NumericKernels
import RecurrentNN

/// The state that parallel streams carry from batch to batch (truncated backpropagation through time): for each shard of
/// this rank one matrix [streams, numbers] for each part of the state. Models whose state is reset for every example
/// have no parts.
package final class CarriedState {
  private let parts: [Int]
  private let streams: Int
  private let plan: ShardPlan
  private let shards: [Int: [AlignedMatrix]]
  /// The states of all streams, gathered for a checkpoint.
  private var gathered: [AlignedMatrix] = []

  /// Starts with all states zero.
  package init(parts: [Int] = [], streams: Int = 0, plan: ShardPlan) {
    (self.parts, self.streams, self.plan) = (parts, streams, plan)
    var shards: [Int: [AlignedMatrix]] = [:]
    for shard in plan.own where !parts.isEmpty {
      let rows = plan.items(of: shard, count: streams).count
      shards[shard] = parts.map { AlignedMatrix(rows: rows, columns: $0) }
    }
    self.shards = shards
  }

  /// Returns a state with the same number of streams, all zero.
  package func emptied() -> CarriedState { CarriedState(parts: parts, streams: streams, plan: plan) }

  /// Returns views of the state of a shard's streams. The views don't retain the memory that they point to.
  package func views(of shard: Int) -> [MatrixView<Float>] { shards[shard]?.map(\.view) ?? [] }

  package func clear() {
    for state in shards.values { state.forEach { $0.view.fill(0) } }
  }

  /// Resets streams whose state is not finite to zero. It resets whole streams, so that the result does not depend on
  /// the number of ranks.
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

  /// The names and shapes of the tensors in a checkpoint.
  package var shapes: [(name: String, shape: [Int])] {
    parts.enumerated().map { ("carried_state.\($0)", [streams, $1]) }
  }

  /// Returns the states of all streams of the global batch (collective). This object owns the memory of the tensors.
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
          guard let base = source.baseAddress else { return }  // this rank has no streams
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

  /// Restores this rank's part of the tensors in ``shapes``. `tensors` holds all their values, in the same order.
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

/// A matrix that owns its memory, for data that outlives a step.
package final class AlignedMatrix {
  private let storage: AlignedBuffer<Float>
  package let view: MatrixView<Float>

  /// Allocates a matrix of zeros.
  package init(rows: Int, columns: Int) {
    storage = AlignedBuffer(count: rows * columns)
    view = MatrixView(storage.base, rows: rows, columns: columns)
  }

  package var elements: UnsafeMutableBufferPointer<Float> { storage.elements }
}

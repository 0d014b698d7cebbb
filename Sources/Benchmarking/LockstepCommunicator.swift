import Communication
import NumericKernels

/// A communicator with which the ranks of a job compute training steps together without sending anything.
///
/// Each rank works on its own part of the batch, of the moments and of the update, as in the job, and waits for the others once
/// per step, where it would sum the totals. Sums leave every value as it is, an allgather returns the bytes of this rank for all
/// ranks, and an exchange receives nothing. So the trained model is meaningless, and rows of tables that only other ranks touch are
/// not updated. Otherwise the time of a step is that of its computation on the slowest rank.
final class LockstepCommunicator: Communicator {
  private let job: any Communicator
  var rank: Int { job.rank }
  var worldSize: Int { job.worldSize }
  var hostName: String { job.hostName }

  init(_ job: any Communicator) { self.job = job }

  func barrier() throws { try job.barrier() }
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {}
  func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) {}
  func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws { try job.barrier() }
  func allgather(_ bytes: [UInt8]) -> [[UInt8]] { Array(repeating: bytes, count: worldSize) }
  func exchange(_ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with peer: Int) {}
  func makeSummedVector(count: Int, wire: WireFormat) -> any SummedVector { UnsummedVector(count: count) }
  /// Its fences are those of the job: their only cost is waiting.
  func makeHostVector(count: Int) throws -> HostVector? { try job.makeHostVector(count: count) }
  func first(_ count: Int) -> (any Communicator)? { nil }
  func abort(exitCode: Int32) -> Never { job.abort(exitCode: exitCode) }
  func finalize() {}
}

/// A vector that is not summed.
private final class UnsummedVector: SummedVector {
  private let memory: AlignedBuffer<Float>
  var elements: UnsafeMutableBufferPointer<Float> { memory.elements }
  let methods = SumMethod.allCases
  var method = SumMethod.sharedMemory

  init(count: Int) { memory = AlignedBuffer(count: count) }

  func sum(_ spans: [Range<Int>], _ order: SumOrder) {}
  func gatherParts() {}
}

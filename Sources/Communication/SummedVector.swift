/// A vector that is summed over all ranks repeatedly, such as the gradients of every step.
///
/// `Communicator.makeSummedVector(count:wire:)` makes it, in memory that suits the communicator.
public protocol SummedVector: AnyObject {
  /// The elements of this rank, initially zero and aligned to 64 bytes. Usable until the communicator is finalized.
  var elements: UnsafeMutableBufferPointer<Float> { get }

  /// The methods that this vector can be summed by, the same on all ranks. The first is the usual one.
  var methods: [SumMethod] { get }

  /// The method of ``sum(_:_:)``, one of ``methods``. All ranks must set the same one.
  var method: SumMethod { get set }

  /// Overwrites the elements in `spans` with their sums over all ranks, the same bits on every rank (collective).
  ///
  /// - Parameter spans: ascending, without overlap, the same on every rank. Other elements don't change.
  func sum(_ spans: [Range<Int>], _ order: SumOrder) throws

  /// Overwrites the ``vectorPart(of:rank:ranks:)`` of each rank, on all ranks, with the elements that this rank has there
  /// (collective).
  func gatherParts() throws
}

extension SummedVector {
  /// Sums in any order.
  public func sum(_ spans: [Range<Int>]) throws { try sum(spans, .any) }

  /// Sums by this method from now on, if the vector has it. All ranks must choose the same one.
  public func use(_ method: SumMethod) {
    if methods.contains(method) { self.method = method }
  }
}

/// How the ranks sum a vector. With `SumOrder.tree` all methods give the same bits.
public enum SumMethod: String, Sendable, Codable, CaseIterable {
  /// The ranks on a host add up their elements in shared memory, one slice per rank. Between hosts, the ranks that have the same
  /// slice sum it by messages.
  case sharedMemory = "shared-memory"
  /// Messages between all ranks, wherever they are: an allreduce of the MPI library or, in a tree, recursive halving.
  case messages
}

/// The order in which the elements of the ranks are added.
public enum SumOrder: Sendable {
  /// Any. Another number of ranks, or of hosts, may give other bits.
  case any
  /// One fixed binary tree, `((v₀ + v₁) + (v₂ + v₃)) + …`, for 1, 2, 4, 8, … ranks.
  case tree
}

/// How elements are sent to other hosts. They are always added in single precision.
public enum WireFormat: String, Sendable, CaseIterable {
  case fp32
  /// The upper half of fp32, rounded to nearest even: each rank's elements once, and their sum once. Half the bytes.
  case bf16
}

/// The elements of a vector of `count` that belong to one of the ranks: equal parts that begin at cache lines.
public func vectorPart(of count: Int, rank: Int, ranks: Int) -> Range<Int> {
  let line = 64 / MemoryLayout<Float>.stride
  let size = ((count + ranks - 1) / ranks + line - 1) / line * line
  return min(count, rank * size)..<min(count, (rank + 1) * size)
}

extension Communicator {
  /// Makes a vector in the memory of this process, whose elements are sent as messages.
  public func makeSummedVector(count: Int, wire: WireFormat) throws -> any SummedVector {
    PrivateVector(count: count, communicator: self, MessageSum(over: self, wire))
  }
}

/// A vector in the memory of one process. The ranks sum the elements by messages.
final class PrivateVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  let methods = [SumMethod.messages]
  var method = SumMethod.messages
  private let communicator: any Communicator
  private let messages: MessageSum

  init(count: Int, communicator: any Communicator, _ messages: MessageSum) {
    let raw = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
    _ = raw.initializeMemory(as: UInt8.self, repeating: 0)
    elements = UnsafeMutableBufferPointer(rebasing: raw.bindMemory(to: Float.self)[0..<count])
    self.communicator = communicator
    self.messages = messages
  }

  deinit { elements.deallocate() }

  func sum(_ spans: [Range<Int>], _ order: SumOrder) throws { try messages.sum(elements, spans, order) }

  func gatherParts() throws { try communicator.gatherParts(of: elements) }
}

extension Communicator {
  /// Sends the part of each rank to all others (collective).
  func gatherParts(of elements: UnsafeMutableBufferPointer<Float>) throws {
    try gatherParts(of: elements) { vectorPart(of: elements.count, rank: $0, ranks: worldSize) }
  }

  /// Sends the part of each rank to all others (collective), in exchanges, which use both directions of a link at a time.
  func gatherParts(of elements: UnsafeMutableBufferPointer<Float>, _ part: (_ rank: Int) -> Range<Int>) throws
  {
    func bytes(_ rank: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: elements[part(rank)]))
    }
    for peer in peersInTurn { try exchange(UnsafeRawBufferPointer(bytes(rank)), bytes(peer), with: peer) }
  }
}

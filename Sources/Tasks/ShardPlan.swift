/// The assignment of the parts of a global batch to the ranks.
///
/// A batch is cut into shards of (almost) equal numbers of items in a fixed order. Normally there is one shard per rank. In
/// reproducible mode there are always eight shards. A rank computes its shards one after the other, and their gradients
/// are added in a fixed binary tree. The sums, and therefore the parameters, then have the same bits on 1, 2, 4 and 8
/// ranks.
public struct ShardPlan: Sendable, Hashable {
  /// The number of shards of a batch in reproducible mode.
  public static let reproducibleShards = 8

  /// The number of shards of a batch.
  public let shardCount: Int
  /// The shards of this rank, in order.
  public let own: Range<Int>
  /// Whether sums must be added in the fixed tree.
  public let isReproducible: Bool

  /// Throws ``TrainingFailure/unevenRanks(_:)`` if the shards can't be divided evenly among the ranks.
  public init(rank: Int, worldSize: Int, reproducible: Bool) throws(TrainingFailure) {
    isReproducible = reproducible
    guard reproducible else {
      shardCount = worldSize
      own = rank..<rank + 1
      return
    }
    guard Self.reproducibleShards % worldSize == 0 else { throw .unevenRanks(worldSize) }
    shardCount = Self.reproducibleShards
    let perRank = shardCount / worldSize
    own = rank * perRank..<(rank + 1) * perRank
  }

  /// The number of ranks.
  var rankCount: Int { shardCount / own.count }

  /// The items of a shard, out of `count`. They are contiguous, and the sizes of shards differ by at most one.
  public func items(of shard: Int, count: Int) -> Range<Int> {
    shard * count / shardCount..<(shard + 1) * count / shardCount
  }

  /// The items of all shards of this rank.
  public func ownItems(count: Int) -> Range<Int> {
    own.lowerBound * count / shardCount..<own.upperBound * count / shardCount
  }
}

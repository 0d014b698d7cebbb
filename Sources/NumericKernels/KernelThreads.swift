import CKernels

/// The threads that share the work of this process's kernels.
///
/// Work is cut by rows, columns or units, never inside a sum, so results have the same bits for any number of threads.
public enum KernelThreads {
  /// Number of threads in use, including the caller's; at most as many as the system grants.
  public static var count: Int {
    get { Int(rnd_thread_count()) }
    set { _ = rnd_set_thread_count(Int32(clamping: newValue)) }
  }

  /// The number of elements below which waking other threads costs more than it saves.
  private static var leastSharedElements: Int { 1 << 13 }

  /// A unit of a cell costs as much as this number of plain elements: it takes several exponentials.
  @usableFromInline static var elementsPerUnit: Int { 4 }

  /// Runs `body` on consecutive ranges `first..<end` that together are `0..<count`, each range on a separate thread.
  ///
  /// - Parameters:
  ///   - elements: the size of the work. The calling thread does a small amount of work alone.
  ///   - unit: every range but the last begins and ends at a multiple of this, so that vectors and cache lines are not split.
  ///   - kind: the kind of work to which the time is added.
  public static func split(
    _ count: Int, elements: Int, unit: Int = 1, as kind: StepProfile.Kind = .pointwise,
    _ body: (_ first: Int, _ end: Int) -> Void
  ) {
    let start = rnd_profile_clock()
    defer { rnd_profile_add(kind.rawValue, start, 0) }
    guard elements >= leastSharedElements, Self.count > 1, count > unit else { return body(0, count) }
    onAllThreads { part, parts in
      let units = range(of: (count + unit - 1) / unit, part, parts)
      let (first, end) = (min(count, units.lowerBound * unit), min(count, units.upperBound * unit))
      if first < end { body(first, end) }
    }
  }

  /// Runs `body` on consecutive ranges that together are `0..<count`, each range on a separate thread. The kernels that `body`
  /// calls run on that thread alone. They add their time to their own kinds of work, as far as the calling thread runs them;
  /// the operations of products are counted on all threads.
  public static func divide(_ count: Int, _ body: (_ range: Range<Int>) -> Void) {
    let products = StepProfile.Kind.products.rawValue
    withUnsafeTemporaryAllocation(of: Double.self, capacity: Int(RND_MOST_THREADS)) { operations in
      operations.initialize(repeating: 0)
      onAllThreads { part, parts in
        let before = rnd_profile_operations(products)
        body(range(of: count, part, parts))
        // The calling thread is part 0.
        if part > 0 { operations[part] = rnd_profile_operations(products) - before }
      }
      rnd_profile_add_operations(products, operations.reduce(0, +))
    }
  }

  private static func range(of count: Int, _ part: Int, _ parts: Int) -> Range<Int> {
    let (count, part, parts) = (Int64(count), Int32(part), Int32(parts))
    return Int(rnd_part_begin(count, part, parts))..<Int(rnd_part_begin(count, part + 1, parts))
  }

  /// Runs `body` for every part of some work, each on a separate thread.
  private static func onAllThreads(_ body: (_ part: Int, _ parts: Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) { body in
        rnd_parallel(
          { part, parts, argument in
            argument?.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(Int(part), Int(parts))
          }, body)
      }
    }
  }

  /// Shares the rows of a block of `width` columns among the threads.
  @inlinable
  public static func shareRows(_ rows: Int, width: Int, _ body: (_ first: Int, _ end: Int) -> Void) {
    split(rows, elements: elementsPerUnit * rows * width, body)
  }

  /// Runs `body` for every index below `count`, with neighboring indexes on one thread. Each call should be enough work
  /// to justify waking a thread.
  public static func forEach(
    _ count: Int, as kind: StepProfile.Kind, _ body: (_ index: Int) -> Void
  ) {
    split(count, elements: .max, as: kind) { first, end in
      for index in first..<end { body(index) }
    }
  }
}

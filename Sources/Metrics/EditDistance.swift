/// Returns the smallest number of insertions, deletions and substitutions that turn one sequence into the other
/// (Levenshtein 1966).
///
/// Myers' bit-parallel algorithm (JACM 1999) in Hyyrö's form for the distance of whole sequences (2003): the
/// columns of the table of distances are kept as differences of neighboring cells, 64 cells per word. The
/// table is filled in bands of 64 rows, each of which only needs the differences along the lower edge of the band
/// above. Memory is therefore O(|a| + |b|), and time is O(|a| |b| / 64): comparing 10,000 tokens with 10,000 takes
/// milliseconds.
///
/// Pass bytes, ids or Unicode scalars rather than Swift strings, because Swift strings are equal if they are
/// canonically equivalent.
func levenshteinDistance<Token: Hashable>(_ a: [Token], _ b: [Token]) -> Int {
  // A common prefix and suffix don't change the distance, and they cover most of a nearly correct sequence.
  let shorter = min(a.count, b.count)
  var (head, tail) = (0, 0)
  while head < shorter, a[head] == b[head] { head += 1 }
  while tail < shorter - head, a[a.count - 1 - tail] == b[b.count - 1 - tail] { tail += 1 }
  let (rows, columns) = a.count == shorter ? (a, b) : (b, a)
  if shorter == head + tail { return columns.count - shorter }

  var symbols: [Token: Int] = [:]
  let pattern = rows[head..<rows.count - tail].map { token in
    let symbol = symbols[token] ?? symbols.count
    symbols[token] = symbol
    return symbol
  }
  let unknown = symbols.count
  let text = columns[head..<columns.count - tail].map { symbols[$0] ?? unknown }
  return bitParallelDistance(pattern, text, symbolCount: unknown + 1)
}

/// Returns the distance of two sequences of symbols below `symbolCount`, the first of which isn't empty.
private func bitParallelDistance(_ pattern: [Int], _ text: [Int], symbolCount: Int) -> Int {
  // The differences between each column and the one on its left, along the lower edge of the band above. Above the
  // first band, that edge is the distance from the empty sequence, which grows by 1 per column.
  var edge = [Int8](repeating: 1, count: text.count)
  var matches = [UInt64](repeating: 0, count: symbolCount)
  for start in stride(from: 0, to: pattern.count, by: 64) {
    let band = pattern[start..<min(start + 64, pattern.count)]
    for (bit, symbol) in band.enumerated() { matches[symbol] |= 1 << UInt64(bit) }
    advance(&edge, over: text, matches: matches, lastRow: UInt64(1) << UInt64(band.count - 1))
    for symbol in band { matches[symbol] = 0 }
  }
  // The distance grows by 1 per row down the left side, and by the differences along the lower edge.
  return edge.reduce(pattern.count) { $0 + Int($1) }
}

/// Computes one band of rows: overwrites the differences along its upper edge with those along its lower
/// edge.
///
/// `matches` has, for each symbol, the rows of the band that hold it; `lastRow` is the bit of the lowest row.
private func advance(_ edge: inout [Int8], over text: [Int], matches: [UInt64], lastRow: UInt64) {
  // Rows whose cell is one more (rising) or one less (falling) than the cell above it, in the column so far.
  var (rising, falling) = (UInt64.max, UInt64.zero)
  for column in text.indices {
    let above = edge[column]
    let equal = matches[text[column]]
    let stays = equal | falling
    let reached = equal | (above < 0 ? 1 : 0)
    let diagonal = (((reached & rising) &+ rising) ^ rising) | reached
    // The same kind of differences between the column on the left and this one, row by row.
    var more = falling | ~(diagonal | rising)
    var less = rising & diagonal
    edge[column] = more & lastRow != 0 ? 1 : less & lastRow != 0 ? -1 : 0
    more = (more << 1) | (above > 0 ? 1 : 0)
    less = (less << 1) | (above < 0 ? 1 : 0)
    rising = less | ~(stays | more)
    falling = more & stays
  }
}

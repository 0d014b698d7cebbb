/// The spellings of the tokens of a set, each distinct one once, so that a model can read the characters of a
/// word once however often it occurs in a batch.
public struct SurfaceForms: Sendable, Equatable {
  /// The form of every token.
  public private(set) var forms = RaggedTokens()
  /// The ids of the characters of every form.
  public private(set) var characters = RaggedTokens()
  /// The bytes of the forms.
  private var table = WordTable()

  init() {}

  /// Returns the number of a spelling. A new spelling gets a new number, and `encode` returns its characters.
  mutating func intern<Failure>(
    _ form: [UInt8], encode: ([UInt8]) throws(Failure) -> [Int32]
  ) throws(Failure) -> Int32 {
    let known = table.find(form)
    if known >= 0 { return known }
    characters.append(try encode(form))
    return table.intern(form)
  }

  /// Adds the forms of a sequence.
  mutating func append(_ sequence: some Sequence<Int32>) { forms.append(sequence) }

  /// The distinct forms of some sequences.
  ///
  /// - Returns: `index`: the form of every token, sequence after sequence, as an index into `lengths`; `lengths`: the
  ///   number of characters of each form; `characters`: their ids, form after form.
  public func gather(_ selected: some Collection<Int32>) -> (
    index: [Int32], lengths: [Int], characters: [Int32]
  ) {
    var index: [Int32] = []
    for sequence in selected { index.append(contentsOf: forms[Int(sequence)]) }
    let order = index.indices.sorted { index[$0] < index[$1] }
    var (lengths, ids): ([Int], [Int32]) = ([], [])
    var last: Int32 = -1
    for place in order {
      if index[place] != last {
        last = index[place]
        lengths.append(characters.length(Int(last)))
        ids.append(contentsOf: characters[Int(last)])
      }
      index[place] = Int32(lengths.count - 1)
    }
    return (index, lengths, ids)
  }

  /// A hash that is the same on every rank and in every process.
  var digest: UInt64 { forms.digest ^ characters.digest &* 31 }
}

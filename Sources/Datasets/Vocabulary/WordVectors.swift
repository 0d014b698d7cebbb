// Separate file: no other reader shares this format.

/// Reads word vectors in the text format of word2vec and GloVe: one token per line with its numbers, separated by spaces. The
/// first line of word2vec, `count width`, is skipped. Numbers are counted from the end of a line, because tokens of some
/// files contain spaces. If a token has several vectors, the first one counts.
///
/// - Parameters:
///   - width: numbers of each vector.
///   - body: called for every token that the vocabulary has.
/// - Returns: the number of tokens found.
/// - Throws: `DataError` for a line with a different number of values or with text among them.
public func readWordVectors(
  from file: TextSource, for vocabulary: Vocabulary, width: Int,
  _ body: (_ id: Int32, _ vector: [Float]) -> Void
) throws -> Int {
  let reader = try LineReader(file)
  var found: Set<Int32> = []
  while try reader.next() {
    var fields = reader.bytes.split(separator: UInt8(ascii: " "))
    let isHeader =
      reader.number == 1 && fields.count == 2
      && fields.allSatisfy { Int(String(decoding: $0, as: UTF8.self)) != nil }
    if fields.isEmpty || isHeader { continue }
    guard fields.count > width else { throw reader.problem(.width(found: fields.count - 1, expected: width)) }
    let numbers = fields.suffix(width)
    fields.removeLast(width)
    let token = String(decoding: Array(fields.joined(separator: [UInt8(ascii: " ")])), as: UTF8.self)
    // A vector that is too long has numbers in the place of the token.
    if fields.count > 1, fields.dropFirst().allSatisfy({ parsedNumber($0) != nil }) {
      throw reader.problem(.width(found: width + fields.count - 1, expected: width))
    }
    guard let id = vocabulary.id(of: token), found.insert(id).inserted else { continue }
    let vector = try numbers.enumerated().map { column, text in
      guard let number = parsedNumber(text), number.isFinite else {
        throw reader.problem(.notInVector(String(decoding: text, as: UTF8.self), column: column + 2))
      }
      return number
    }
    body(id, vector)
  }
  return found.count
}

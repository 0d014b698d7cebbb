/// Parses a decimal number, with or without white space around it; nil for other text, such as a hexadecimal number. The number
/// may be infinite.
func parsedNumber(_ text: ArraySlice<UInt8>) -> Float? { parsedDouble(text).map { Float($0) } }

/// The same number before it is rounded to 32 bits.
func parsedDouble(_ text: ArraySlice<UInt8>) -> Double? {
  let digits = text.trimmed()
  guard !digits.isEmpty, digits.count <= 100,
    !digits.contains(UInt8(ascii: "x")), !digits.contains(UInt8(ascii: "X"))
  else { return nil }
  return Double(String(decoding: digits, as: UTF8.self))
}

/// The mean and the standard deviation of numbers as they are in a file, before they are rounded to 32 bits.
struct NumberSpread {
  /// Numbers whose deviation is less than this many steps of 32-bit numbers lose too much of what distinguishes them:
  /// with 100 steps, rounding adds 0.3 % of the deviation.
  private static let fewestSteps = 100.0

  private var count = 0.0
  private var mean = 0.0
  /// The sum of the squared distances from the mean.
  private var squares = 0.0

  /// Adds a number (Welford 1962).
  mutating func add(_ number: Double) {
    count += 1
    let distance = number - mean
    mean += distance / count
    squares += distance * (number - mean)
  }

  /// The reason why the numbers can't be rounded to 32 bits; nil if they can, or if all are equal.
  var problem: String? {
    let deviation = count > 0 ? (squares / count).squareRoot() : 0
    let step = Double(Float(mean).ulp)
    guard deviation > 0, deviation < Self.fewestSteps * step else { return nil }
    return
      "vary by \(Float(deviation)) around \(Float(mean)), where 32-bit numbers are \(Float(step)) apart; subtract "
      + "a constant from them, such as the first number"
  }
}

/// Whether a field of csv says that its number is missing.
func isMissingNumber(_ text: ArraySlice<UInt8>) -> Bool {
  ["", "na", "n/a", "nan", "null", "none", "?"].contains(
    String(decoding: text.trimmed(), as: UTF8.self).lowercased())
}

/// Whether a field with the numbers of all steps is the path of an array that holds them.
func isArrayPath(_ field: ArraySlice<UInt8>) -> Bool {
  field.trimmed().suffix(4).elementsEqual(".npy".utf8)
}

/// Appends the numbers of a line to the values of a field: with commas between them, or with white space. Missing ones, if allowed,
/// are NaN.
///
/// - Parameter isVector: whether each number is another quantity, which is measured by itself.
func parseNumbers(
  _ line: [UInt8], commas: Bool, allowsMissing: Bool = false, isVector: Bool = false,
  into field: inout EncodedField
) throws(LineProblem) {
  let cells =
    commas
    ? line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    : line.split(whereSeparator: isASCIISpace)
  for (index, cell) in cells.enumerated() {
    let column = index + 1
    if allowsMissing, isMissingNumber(cell) {
      field.values.append(.nan)
      continue
    }
    guard let value = parsedDouble(cell) else {
      throw .notANumber(String(decoding: cell, as: UTF8.self), column: column)
    }
    guard Float(value).isFinite else {
      throw .notFinite(String(decoding: cell, as: UTF8.self), column: column)
    }
    field.add(value, to: isVector ? index : 0)
  }
}

/// Appends the steps of a line such as `39 43 46||39`, each as a vector of zeros and ones; returns their number.
func parseMultihot(
  _ line: [UInt8], width: Int, limit: Int, into values: inout [Float]
) throws(LineProblem) -> Int {
  var steps = 0
  for step in line.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false) {
    steps += 1
    // Beyond the limit, steps are only counted, so that a line of separators can't fill the memory.
    guard steps <= limit else { continue }
    let start = values.count
    values += [Float](repeating: 0, count: width)
    for key in step.split(whereSeparator: isASCIISpace) {
      let text = String(decoding: key, as: UTF8.self)
      guard let number = Int(text), number >= 0, number < width else { throw .badKey(text, width: width) }
      values[start + number] = 1
    }
  }
  return steps
}

/// The numbers of a NumPy file (format 1.0 to 3.0).
struct NumpyArray {
  /// The maximum size of a file, in bytes. It is enough for one sequence, which is an example.
  static let largestFile = 1 << 28
  /// The maximum length of the description of an array, in bytes.
  private static let longestHeader = 1 << 16

  /// One or two sizes, of which the second is above 0.
  let shape: [Int]
  /// Row after row, as in the file; all are finite as 32-bit numbers, or NaN if they are missing.
  let values: Values

  enum Values {
    case single([Float])
    /// A model reads them as 32-bit numbers.
    case double([Double])
  }

  /// The number of values.
  var count: Int { shape.reduce(1, *) }

  /// Reads little-endian float32 or float64, in row-major or in column-major ("Fortran") order. Throws
  /// `ArrayProblem`.
  ///
  /// - Parameters:
  ///   - base: where relative paths start from, in words for messages.
  ///   - allowsMissing: NaN is a missing number.
  init(path: String, relativeTo base: String, allowsMissing: Bool = false) throws(ArrayProblem) {
    let bytes = try Self.content(of: path, base)
    guard bytes.count >= 10, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else { throw .notNumPy }
    let (major, minor) = (bytes[6], bytes[7])
    guard (1...3).contains(major), minor == 0 else { throw .version(major: major, minor: minor) }
    let start = major == 1 ? 10 : 12
    guard bytes.count >= start else { throw .header("the file ends within it") }
    let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= Self.longestHeader else { throw .header("\(length) bytes of description") }
    guard start + length <= bytes.count else { throw .header("the file ends within it") }
    let header = try NumpyHeader(bytes[start..<start + length])
    shape = header.shape
    let data = bytes[(start + length)...]
    values =
      header.isDouble
      ? .double(try Self.elements(data, header, allowsMissing) { (bits: UInt64) in Double(bitPattern: bits) })
      : .single(try Self.elements(data, header, allowsMissing) { (bits: UInt32) in Float(bitPattern: bits) })
  }

  private static func content(of path: String, _ base: String) throws(ArrayProblem) -> [UInt8] {
    do {
      return try TextSource.file(path).content(
        limit: largestFile, tooLarge: ArrayProblem.tooLarge(limit: largestFile))
    } catch let problem as ArrayProblem {
      throw problem
    } catch DataError.missing {
      throw .missing(relativeTo: base)
    } catch DataError.unreadable(_, let reason) {
      throw .unreadable(reason)
    } catch DataError.input(_, let reason) {
      throw .unreadable(reason)
    } catch {
      throw .unreadable("not a regular file")
    }
  }

  private static func elements<Bits: FixedWidthInteger, Number: BinaryFloatingPoint>(
    _ data: ArraySlice<UInt8>, _ header: NumpyHeader, _ allowsMissing: Bool, _ number: (Bits) -> Number
  ) throws(ArrayProblem) -> [Number] {
    let shape = header.shape
    var expected = MemoryLayout<Bits>.size
    for size in shape {
      let (product, overflow) = expected.multipliedReportingOverflow(by: size)
      guard !overflow else { throw .tooLarge(limit: largestFile) }
      expected = product
    }
    guard data.count == expected else { throw .size(found: data.count, expected: expected) }
    let stored = data.withUnsafeBytes { raw in
      (0..<expected / MemoryLayout<Bits>.size).map { index in
        number(
          Bits(
            littleEndian: raw.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self)))
      }
    }
    if let bad = stored.firstIndex(where: { !Float($0).isFinite && !($0.isNaN && allowsMissing) }) {
      throw .notFinite(element: bad)
    }
    guard header.isColumnMajor else { return stored }
    return stored.indices.map { stored[$0 % shape[1] * shape[0] + $0 / shape[1]] }
  }
}

/// The description of an array in its file: a Python dictionary literal.
private struct NumpyHeader {
  let isDouble: Bool
  let isColumnMajor: Bool
  let shape: [Int]

  init(_ bytes: ArraySlice<UInt8>) throws(ArrayProblem) {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .header("not text") }
    guard let type = Self.value("descr", text, from: "'", to: "'"),
      let order = Self.value("fortran_order", text, from: "", to: ","),
      let sizesText = Self.value("shape", text, from: "(", to: ")"), ["True", "False"].contains(order)
    else { throw .header("expected {'descr': '…', 'fortran_order': …, 'shape': (…)}") }
    isDouble = type == "<f8"
    guard isDouble || type == "<f4" else { throw .elementType(String(type)) }
    var entries = sizesText.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.trimmingPrefix(while: \.isWhitespace)
    }
    if entries.last?.isEmpty == true { entries.removeLast() }
    let sizes = entries.compactMap { Int($0) }
    guard (1...2).contains(entries.count), sizes.count == entries.count,
      sizes.allSatisfy({ $0 >= 0 }), sizes.count == 1 || sizes[1] > 0
    else { throw .shape("(\(sizesText))") }
    isColumnMajor = order == "True" && sizes.count == 2
    shape = sizes
  }

  /// The text between two marks after a key.
  private static func value(_ key: String, _ text: String, from open: String, to close: String) -> Substring?
  {
    guard let name = text.firstRange(of: "'\(key)'") else { return nil }
    var rest = text[name.upperBound...].trimmingPrefix(while: \.isWhitespace)
    guard rest.popFirst() == ":" else { return nil }
    rest = rest.trimmingPrefix(while: \.isWhitespace)
    guard rest.hasPrefix(open) else { return nil }
    rest = rest.dropFirst(open.count)
    guard let end = rest.firstRange(of: close) else { return nil }
    return rest[..<end.lowerBound]
  }
}

/// One field of one example as ids or numbers.
struct EncodedField {
  var ids: [Int32] = []
  var values: [Float] = []
  /// The spelling of each token.
  var forms: [Int32] = []
  /// The number of values per step; 0 for fields without vectors.
  var width = 0
  /// The number of tokens or steps.
  var steps = 0
  /// The numbers of all examples so far as they are in the file, of each number of a step by itself.
  private(set) var spreads: [NumberSpread] = []

  /// Appends a number of a file.
  ///
  /// - Parameter column: its place in the step, from 0.
  mutating func add(_ number: Double, to column: Int) {
    values.append(Float(number))
    while spreads.count <= column { spreads.append(NumberSpread()) }
    spreads[column].add(number)
  }

  /// Empties the field for the next example.
  mutating func clear() {
    ids.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    forms.removeAll(keepingCapacity: true)
    (width, steps) = (0, 0)
  }

  /// Appends to each step, for each of its numbers, 1 if it is there and 0 if it is missing.
  mutating func addMask() {
    values = WindowedTable.withMask(values, width)
    width *= 2
  }

  /// Keeps the first `limit` steps.
  mutating func truncate(_ limit: Int) {
    guard steps > limit else { return }
    ids.removeLast(max(0, ids.count - limit))
    forms.removeLast(max(0, forms.count - limit))
    values.removeLast(max(0, values.count - limit * width))
    steps = limit
  }
}

/// Turns the bytes of fields into ids and numbers.
struct FieldEncoder {
  /// The maximum number of values of one example, which limits the memory for a single line.
  static let mostValues = 1 << 26

  let options: ExampleOptions
  /// The folder of the list, which paths of arrays are relative to, with a slash at the end; nil: the current directory.
  let folder: String?
  private(set) var unknownLabels = 0
  private(set) var firstUnknown: LineProblem?

  init(_ options: ExampleOptions, folder: String?) {
    self.options = options
    self.folder = folder
  }

  /// Overwrites `field`; after an error, `field.steps` is the step with the error. With `countsUnknown`, unknown labels
  /// are counted instead of rejected.
  mutating func encode(
    _ bytes: [UInt8], _ kind: FieldKind, _ vocabulary: Vocabulary?, _ labels: LabelVocabulary?,
    countsUnknown: Bool = false, into field: inout EncodedField
  ) throws(LineProblem) {
    field.clear()
    switch kind {
    case .text:
      guard let vocabulary else { preconditionFailure("a text without its vocabulary") }
      try vocabulary.encode(bytes, into: &field.ids)
    case .cells:
      guard let vocabulary else { preconditionFailure("tokens without their vocabulary") }
      if let problem = textProblem(in: bytes) { throw problem }
      bytes.withUnsafeBufferPointer { line in
        forEachCell(in: line) { field.ids.append(vocabulary.id(ofCell: $0)) }
      }
    case .words, .tabbedWords:
      guard let vocabulary else { preconditionFailure("words without their vocabulary") }
      if let problem = textProblem(in: bytes) { throw problem }
      bytes.withUnsafeBufferPointer { line in
        forEachInputWord(in: line, allowsSpaces: kind == .tabbedWords) {
          field.ids.append(vocabulary.id(ofCell: $0))
        }
      }
    case .tags, .tagCells:
      let cells =
        kind == .tags
        ? bytes.split(whereSeparator: isASCIISpace)
        : bytes.split(separator: 0x09, omittingEmptySubsequences: false)
      for cell in cells {
        field.ids.append(try label(cell, labels, countsUnknown))
        field.steps += 1
      }
    case .label: field.ids.append(try label(bytes[...], labels, countsUnknown))
    case .numbers:
      try parseNumbers(bytes, commas: false, isVector: true, into: &field)
      field.width = field.values.count
    case .series:
      try parseNumbers(bytes, commas: true, allowsMissing: masks, into: &field)
      field.width = 1
      if masks { field.addMask() }
    case .stepNumbers:
      guard !isArrayPath(bytes[...]) else {
        return try array(bytes, asVector: false, into: &field)
      }
      try parseNumbers(bytes, commas: false, into: &field)
      field.width = 1
    case .array: return try array(bytes, asVector: false, allowsMissing: masks, into: &field)
    case .arrayVector: return try array(bytes, asVector: true, allowsMissing: masks, into: &field)
    case .multihot:
      field.width = options.width
      let limit = Self.mostValues / field.width
      field.steps = try parseMultihot(bytes, width: field.width, limit: limit, into: &field.values)
      guard field.steps <= limit else { throw .tooLong(field: "sequence", length: field.steps, limit: limit) }
      return
    }
    field.steps = field.width > 0 ? field.values.count / field.width : field.ids.count
  }

  private mutating func label(
    _ bytes: ArraySlice<UInt8>, _ labels: LabelVocabulary?, _ countsUnknown: Bool
  ) throws(LineProblem) -> Int32 {
    guard let labels else { preconditionFailure("a label without the list of labels") }
    let name = bytes.trimmed()
    guard !name.isEmpty else { throw .empty(field: "label") }
    if let problem = textProblem(in: name) { throw problem.moved(by: name.startIndex) }
    let id = labels.find(name)
    guard id < 0 else { return id }
    let text = String(decoding: name, as: UTF8.self)
    if !countsUnknown || firstUnknown == nil {
      let problem = LineProblem.unknownLabel(text, nearest: labels.nearest(text))
      guard countsUnknown else { throw problem }
      firstUnknown = problem
    }
    unknownLabels += 1
    return LabelVocabulary.unknown
  }

  /// Whether numbers of a source may be missing.
  private var masks: Bool { options.missing == .mask }

  private func array(
    _ bytes: [UInt8], asVector: Bool, allowsMissing: Bool = false, into field: inout EncodedField
  ) throws(LineProblem) {
    if let problem = textProblem(in: bytes) { throw problem }
    let name = String(decoding: bytes.trimmed(), as: UTF8.self)
    guard !name.isEmpty else { throw .empty(field: "path") }
    let path = name.hasPrefix("/") ? name : (folder ?? "") + name
    let array: NumpyArray
    do {
      array = try NumpyArray(
        path: path, relativeTo: folder == nil ? "the current directory" : "the folder of the list",
        allowsMissing: allowsMissing)
    } catch {
      throw .array(path: path, problem: error)
    }
    if asVector {
      guard array.shape.count == 1 || array.shape[0] == 1, array.count > 0 else {
        throw .array(path: path, problem: .notAVector("\(array.shape)"))
      }
      field.width = array.count
    } else {
      field.width = array.shape.count == 1 ? 1 : array.shape[1]
    }
    switch array.values {
    case .single(let numbers): field.values = numbers
    case .double(let numbers):
      field.values.reserveCapacity(numbers.count)
      for (index, number) in numbers.enumerated() {
        if number.isNaN { field.values.append(.nan) } else { field.add(number, to: index % field.width) }
      }
    }
    field.steps = array.count / field.width
    if allowsMissing { field.addMask() }
  }
}

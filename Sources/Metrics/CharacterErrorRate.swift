// Separate file: every metric has one, see docs/EXTENDING.md.
//
// The example of a new metric in docs/EXTENDING.md: one metric, one file.

import UnicodeText

extension Metric {
  public static let characterErrorRate = Metric(
    "character_error_rate", label: "CER", isHigherBetter: false, .texts(EditTally<Characters>.self),
    "edit distance over Unicode scalars divided by those of the reference, as jiwer.cer computes it")
}

/// The Unicode scalars of a text without white space at both ends, as in jiwer's default transformation for characters.
public enum Characters: TextUnits {
  public static func units(of text: ComparedText) -> [UInt32] {
    let scalars = text.scalars
    guard let first = scalars.firstIndex(where: { !isPythonWhiteSpace($0) }),
      let last = scalars.lastIndex(where: { !isPythonWhiteSpace($0) })
    else { return [] }
    return Array(scalars[first...last])
  }
}

import Foundation

/// How figures are written for people.
enum FigureText {
  /// `accuracy 97.20 %`
  static func describe(_ name: String, _ value: Double) -> String {
    "\(label(name)) \(number(name, value))"
  }

  /// The same as a line of a table.
  static func line(_ name: String, _ value: Double) -> String {
    let label = label(name)
    return label + String(repeating: " ", count: max(1, 12 - label.count)) + number(name, value)
  }

  private static func label(_ name: String) -> String {
    switch name {
    case "bleu": "BLEU"
    case "chrf": "chrF"
    case "f1": "F1"
    case "token_error_rate": "TER"
    case "word_error_rate": "WER"
    default: name.replacingOccurrences(of: "_", with: " ")
    }
  }

  /// Shares in percent; losses, perplexities, BLEU and chrF have scales of their own.
  static func number(_ name: String, _ value: Double) -> String {
    switch name {
    case "loss", "perplexity": String(format: "%.4f", value)
    case "bleu", "chrf": String(format: "%.2f", value)
    case "mse": String(format: "%.6g", value)
    default: String(format: "%.2f %%", 100 * value)
    }
  }

  /// What a figure is multiplied by to be shown, and what stands behind its name on an axis.
  static func scale(_ name: String) -> (factor: Double, unit: String) {
    number(name, 0).hasSuffix("%") ? (100, ", %") : (1, "")
  }
}

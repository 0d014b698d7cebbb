import Configuration
import Foundation

/// How metrics are written for people.
enum MetricText {
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

  /// Shares are shown in percent; losses, perplexities, BLEU and chrF have their own scales.
  static func number(_ name: String, _ value: Double) -> String {
    switch name {
    case "loss", "perplexity": String(format: "%.4f", value)
    case "bleu", "chrf": String(format: "%.2f", value)
    case "mse": String(format: "%.6g", value)
    default: String(format: "%.2f %%", 100 * value)
    }
  }

  /// The factor that a metric is multiplied by to be shown, and the unit behind its name on an axis.
  static func scale(_ name: String) -> (factor: Double, unit: String) {
    number(name, 0).hasSuffix("%") ? (100, ", %") : (1, "")
  }
}

/// The units of losses.
enum LossUnit {
  /// `nats/token`; for models of numbers `squared error/step`.
  static func name(_ configuration: RunConfiguration) -> String {
    (configuration.model.output.isInNats ? "nats/" : "squared error/") + unit(configuration.task)
  }

  /// What the loss is a mean over.
  static func unit(_ task: RunConfiguration.Task) -> String {
    switch task {
    case .languageModel, .generator, .seq2seq: "token"
    case .tagger: "step"
    case .classifier: "example"
    }
  }
}

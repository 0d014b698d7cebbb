import Foundation

/// One axis of a chart: the range that it shows, and where its ticks are.
struct LineAxis {
  struct Tick: Equatable {
    let value: Double
    let label: String
  }

  let ticks: [Tick]
  private let scale: LinePlot.Scale
  /// Both ends, as they are on a linear axis, their logarithms on a logarithmic one.
  private let lower: Double
  private let upper: Double

  /// Whether a number has a place on an axis. Beyond these bounds differences and steps overflow.
  static func canShow(_ number: Double, _ scale: LinePlot.Scale) -> Bool {
    abs(number) <= 1e100 && (scale == .linear || number >= 1e-100)
  }

  /// An axis for numbers that can all be shown; 0 ... 1 (or 1 ... 10) where there are none.
  ///
  /// - Parameters:
  ///   - values: what is to be shown.
  ///   - extendsToTicks: begins and ends at ticks, as a vertical axis should, instead of at the data.
  init(_ values: [Double], scale: LinePlot.Scale, extendsToTicks: Bool) {
    self.scale = scale
    let isLinear = scale == .linear
    var least = values.min() ?? (isLinear ? 0 : 1)
    var most = values.max() ?? (isLinear ? 1 : 10)
    // A line of equal numbers needs some height, and ticks must differ from each other.
    if most - least <= abs(most) * 1e-9 {
      let room = least == 0 ? 1 : abs(least) * (isLinear ? 0.1 : 0.5)
      (least, most) = (least - room, most + room)
    }
    if isLinear {
      let step = Self.step(across: most - least)
      if extendsToTicks {
        (least, most) = ((least / step).rounded(.down) * step, (most / step).rounded(.up) * step)
      }
      (lower, upper) = (least, most)
      ticks = Self.linearTicks(least, most, step)
    } else {
      let ticks = Self.logarithmicTicks(least, most)
      if extendsToTicks {
        // Not to the next tick, which may be a decade away, but a little more than the data.
        let margin = (log10(most) - log10(least)) * 0.04
        (lower, upper) = (log10(least) - margin, log10(most) + margin)
      } else {
        (lower, upper) = (log10(least), log10(most))
      }
      self.ticks = ticks
    }
  }

  /// Where a number lies, 0 at the beginning of the axis and 1 at its end.
  func position(of number: Double) -> Double {
    ((scale == .linear ? number : log10(number)) - lower) / (upper - lower)
  }

  // MARK: - Ticks

  /// The distance of ticks, 1, 2 or 5 times a power of ten, that gives about six of them.
  private static func step(across range: Double) -> Double {
    let rough = range / 6
    let power = pow(10, floor(log10(rough)))
    return [1, 2, 5].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
  }

  private static func linearTicks(_ least: Double, _ most: Double, _ step: Double) -> [Tick] {
    // Multiples of the step by their number, so that no rounding error adds up.
    let first = (least / step - 1e-6).rounded(.up)
    let last = (most / step + 1e-6).rounded(.down)
    guard first <= last else { return [] }
    return stride(from: first, through: last, by: 1).map {
      Tick(value: $0 * step, label: label($0 * step, step: step))
    }
  }

  /// Powers of ten; of a short range also 2 and 5 times these; of a range within a decade ticks at equal
  /// distances.
  private static func logarithmicTicks(_ least: Double, _ most: Double) -> [Tick] {
    let decades = log10(most / least)
    if decades < 1 { return linearTicks(least, most, step(across: most - least)) }
    let factors: [Double] = decades <= 3 ? [1, 2, 5] : [1]
    let first = Int(floor(log10(least)))
    let last = Int(ceil(log10(most)))
    let spacing = max(1, Int((decades / 8).rounded(.up)))
    var ticks: [Tick] = []
    for exponent in stride(from: first, through: last, by: 1) where exponent % spacing == 0 {
      for factor in factors {
        let value = factor * pow(10, Double(exponent))
        guard value >= least * 0.999, value <= most * 1.001 else { continue }
        ticks.append(Tick(value: value, label: label(value, step: value)))
      }
    }
    return ticks
  }

  /// A number with as many decimals as its neighbours need; very large and very small ones as powers of ten.
  private static func label(_ value: Double, step: Double) -> String {
    if abs(value) < step * 1e-6 { return "0" }
    let decimals = max(0, -Int(floor(log10(step) + 1e-9)))
    if abs(value) >= 1e6 || decimals > 4 {
      let exponent = Int(floor(log10(abs(value)) + 1e-9))
      let digits = max(0, exponent - Int(floor(log10(step) + 1e-9)))
      return String(format: "%.\(min(digits, 6))fe%d", value / pow(10, Double(exponent)), exponent)
    }
    return String(format: "%.\(decimals)f", value)
  }
}

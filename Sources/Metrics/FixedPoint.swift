/// A number with so many decimals, rounded to nearest (to even where the Double lies exactly between two), as
/// `%.2f` does it.
func fixedPoint(_ number: Double, decimals: Int) -> String {
  let unit = (0..<decimals).reduce(1.0) { power, _ in power * 10 }
  let scaled = number.magnitude * unit
  // Beyond this a Double has no decimals that could be printed, and no Int may hold it.
  guard scaled < 0x1p53 else { return "\(number)" }
  var digits = scaled.rounded(.toNearestOrEven)
  // The product may have been rounded to a tie; the fused product says on which side of it the number lies.
  if abs(scaled - digits) == 0.5 {
    let error = (-scaled).addingProduct(number.magnitude, unit)
    if error != 0 { digits = error > 0 ? scaled + 0.5 : scaled - 0.5 }
  }
  let text = "\(Int(digits))"
  let padded = String(repeating: "0", count: max(0, decimals + 1 - text.count)) + text
  let sign = number.sign == .minus ? "-" : ""
  return decimals == 0 ? sign + padded : "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
}

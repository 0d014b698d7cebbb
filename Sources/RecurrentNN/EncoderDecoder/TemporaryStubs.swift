import NumericKernels
import Parameters
public enum GeneratorCondition: Sendable, Hashable { case none, classes(count: Int, size: Int), features(size: Int) }
public struct GeneratorShape: Sendable, Hashable {
  public var condition: GeneratorCondition; public var form: ContextForm; public var decoder: DecoderShape
  public init(condition: GeneratorCondition, form: ContextForm, decoder: DecoderShape, tieOutput: Bool = false, uniformInitialization: Double? = nil) { self.condition = condition; self.form = form; self.decoder = decoder }
}
public enum GeneratorConditions<Element: Scalar> { case none, classes(UnsafePointer<Int32>), features(UnsafePointer<Element>) }
public struct GeneratorBatch<Element: Scalar> { public init(conditions: GeneratorConditions<Element>, targets: TokenSequences, masks: SampleMasks?) {} }
public struct Generator<Element: Scalar>: Sendable {
  public let shape: GeneratorShape
  public let layout: ParameterLayout
  public var multipliedWeights: Int { 0 }
  public init(_ shape: GeneratorShape) throws(RepeatedCellError) { self.shape = shape; layout = ParameterLayout.Builder().build() }
  public func evaluate(_ b: GeneratorBatch<Element>, _ o: DecoderOptions, into: ParameterBuffer<Element>?, _ c: LayerContext<Element>) -> LossSum { LossSum() }
  public func decoder(for: GeneratorConditions<Element>, count: Int, _ c: LayerContext<Element>) -> any StepwiseDecoder<Element> { preconditionFailure() }
}
extension EncoderDecoder {
  public func decoder(for s: [InputSequences<Element>], _ c: LayerContext<Element>) -> any StepwiseDecoder<Element> { preconditionFailure() }
}

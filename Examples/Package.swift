// swift-tools-version: 6.2
// Separate file: a package has one manifest.
// Programs that use the libraries of rnn-dist from outside:
//
//     swift build --package-path Examples --scratch-path .build-examples
//     .build-examples/debug/classifier
//     .build-examples/debug/tagger
//     mpirun -np 2 .build-examples/debug/tagger
//     mpirun -np 4 .build-examples/debug/ring

import PackageDescription

let package = Package(
  name: "Examples",
  dependencies: [.package(name: "rnn-dist", path: "..")],
  targets: [
    .executableTarget(
      name: "classifier",
      dependencies: ["RecurrentNN", "Datasets", "Metrics", "Checkpoints"].map {
        .product(name: $0, package: "rnn-dist")
      }),
    .executableTarget(
      name: "tagger",
      dependencies: [
        .product(name: "RecurrentNN", package: "rnn-dist"),
        .product(name: "Communication", package: "rnn-dist"),
      ]),
    .executableTarget(name: "ring", dependencies: [.product(name: "MPI", package: "rnn-dist")]),
  ],
  swiftLanguageModes: [.v6]
)

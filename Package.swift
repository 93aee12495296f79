// swift-tools-version: 6.2
// The map of the house. One line per room: what it is, which rooms it may see, what it uses from
// outside. Imports go strictly down; ARCHITECTURE.md tells why.
import PackageDescription

struct Room {
    var name: String
    var sees: [String] = []
    var uses: [Target.Dependency] = []
}

// From outside.
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHPACK = Target.Dependency.product(name: "NIOHPACK", package: "swift-nio-http2")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let hashTrees = Target.Dependency.product(name: "HashTreeCollections", package: "swift-collections")
let heaps = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let deques = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")

let rooms: [Room] = [
    // 0: import nothing of ours
    Room(name: "Bytes", uses: ["CBytes"]),
    Room(name: "Causes", uses: [nioCore, nioPosix, nioSSL]),
    Room(name: "Store"),
    Room(name: "Raft"),
    Room(name: "Host", uses: ["CHost"]),
    Room(name: "Manifest", uses: ["CYAML"]),
    Room(name: "GRPC", sees: ["Bytes", "Causes"], uses: [nioCore, nioPosix, nioHTTP1, nioHTTP2, nioHPACK, nioSSL, nioTLS, protobuf, deques, logging, metrics]),
    // 1
    Room(name: "Resource", sees: ["Manifest"]),
    Room(name: "Replica", sees: ["Raft", "Host", "Bytes", "Causes"], uses: [nioCore, nioPosix, nioSSL, deques, logging, metrics]),
    Room(name: "Etcd", sees: ["GRPC", "Store"], uses: [nioCore, nioPosix, nioSSL, protobuf, logging]),
    // 2: drivers and services are strangers to each other
    Room(name: "Chainfire", sees: ["Store", "Raft", "Replica", "Host", "Bytes"], uses: ["CSQLite", "CStorage", crypto, logging, metrics, lifecycle]),
    Room(
        name: "Reconcile", sees: ["Resource", "Manifest", "Store", "Host"],
        uses: [hashTrees, heaps, deques, logging, metrics, lifecycle]),
    Room(
        name: "API", sees: ["Resource", "Manifest", "Store", "Causes"],
        uses: [hummingbird, hummingbirdTLS, nioSSL, nioCore, nioPosix, httpClient, logging, metrics, coreMetrics, lifecycle]),
    Room(name: "QEMU", sees: ["Host"], uses: [nioCore, nioPosix, logging]),
    Room(name: "Segment", sees: ["Host"], uses: ["CHost", logging]),
    Room(name: "PKI", sees: ["Store", "Host", "Bytes"], uses: [x509, crypto, cryptoExtras, asn1, logging]),
    Room(name: "NetBoot", sees: ["Host", "Bytes"], uses: ["CHost", nioCore, nioPosix, nioHTTP1, httpClient, crypto, logging]),
    Room(name: "NixOS", sees: ["Host", "Bytes"], uses: [crypto, logging]),
    Room(name: "Probe", sees: ["Host", "GRPC", "Etcd", "Causes"], uses: [nioCore, nioPosix, nioHTTP1, nioSSL, x509, httpClient, logging]),
    // 3
    Room(
        name: "ChainfireAPI", sees: ["Chainfire", "Etcd", "GRPC", "Store", "Host"],
        uses: [nioCore, nioPosix, nioHTTP1, nioSSL, protobuf, crypto, deques, logging, metrics, coreMetrics, lifecycle]),
    Room(
        name: "Kinds",
        sees: ["Reconcile", "Resource", "Manifest", "Store", "Host", "Bytes", "QEMU", "Segment", "PKI", "NetBoot", "NixOS", "Probe"],
        uses: [crypto, logging, lifecycle]),
    // 4
    Room(
        name: "Commands",
        sees: [
            "Kinds", "Reconcile", "API", "ChainfireAPI", "Chainfire", "Replica", "Etcd", "GRPC", "PKI", "NixOS", "Probe", "Resource", "Manifest", "Store",
            "Host", "Bytes",
        ],
        uses: [arguments, crypto, lifecycle, logging, metrics]),
]

/// Tests only: the world made of values, and a whole Chainfire cluster in it.
let simulations: [Room] = [
    Room(name: "Simulation", sees: ["Store", "Host"], uses: [logging]),
    Room(name: "ClusterSimulation", sees: ["Raft", "Replica", "Chainfire", "Store", "Host", "Bytes", "Simulation"], uses: [logging]),
]

/// PLASMA_ONLY=PKI,Kinds leaves only these rooms, what they see, and their own tests: for work on one room at a time.
let only = Context.environment["PLASMA_ONLY"]?.split(separator: ",").map(String.init)

func seen(from names: [String]) -> Set<String> {
    var found = Set(names), open = names
    while let name = open.popLast(), let room = (rooms + simulations).first(where: { $0.name == name }) {
        for below in room.sees where found.insert(below).inserted { open.append(below) }
    }
    return found
}

let here = only.map { seen(from: $0 + ["Simulation"]) }
let built = (rooms + simulations).filter { here?.contains($0.name) ?? true }
let tested = (rooms + simulations.dropFirst()).filter { only?.contains($0.name) ?? true }

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// Debug builds of the rooms are optimized, with everything that a debug build checks: the tests meet what the compiler makes of
/// the code that users run, and the simulations take a third of the time.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))]
let optimizedC: [CSetting] = [.unsafeFlags(["-O2"], .when(configuration: .debug))]

func library(_ room: Room) -> Target {
    .target(name: room.name, dependencies: room.sees.map { .target(name: $0) } + room.uses, swiftSettings: strict + optimized)
}

/// Text files beside the tests that read them.
let goldenCases = ["Manifest": ["Cases"], "Commands": ["Cases"], "Kinds": ["Plans/Cases", "Rendering/Cases"]]

/// What tests need from outside beside what their room uses: somebody else's judgement of a certificate; a connection without a socket.
let testsUse: [String: [Target.Dependency]] = ["Kinds": [x509], "GRPC": [nioEmbedded], "NetBoot": [nioEmbedded]]

/// A room's tests see what the room sees, the room, and the simulation.
func tests(_ room: Room) -> Target {
    .testTarget(
        name: room.name + "Tests",
        dependencies: Set(room.sees + [room.name, "Simulation", "Store", "Host"]).sorted().map { .target(name: $0) } + room.uses + (testsUse[room.name] ?? []),
        exclude: goldenCases[room.name] ?? [], swiftSettings: strict)
}

let package = Package(
    name: "plasma",
    products: only == nil ? [.executable(name: "plasma", targets: ["plasma"])] : [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CYAML", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CHost", cSettings: optimizedC), .target(name: "CBytes", cSettings: optimizedC),
        .target(name: "CStorage", dependencies: ["CSQLite"], cSettings: optimizedC),
    ] + (only == nil ? [.executableTarget(name: "plasma", dependencies: ["Commands"], swiftSettings: strict)] : [])
        + built.map(library) + tested.map(tests)
)

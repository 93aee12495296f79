import Manifest
import Resource

/// All kinds of `plasma.cloud/v1alpha1`, and the rules that join several objects.
package enum Catalog {
    package static let table = KindTable([
        AnyKind(Cluster.self), AnyKind(Network.self), AnyKind(Node.self), AnyKind(VirtualMachine.self), AnyKind(Disk.self),
        AnyKind(CertificateAuthority.self), AnyKind(Certificate.self), AnyKind(NetBoot.self), AnyKind(Installation.self),
        AnyKind(Service.self), AnyKind(Host.self),
    ])

    /// Reads files and checks what they hold, as `plasma validate` does: all problems of all files, by file as the
    /// files were given, and by line. See `KindTable.read` and `check`.
    package static func read(
        _ files: [(file: String, bytes: [UInt8])], workingDirectory: String? = nil, beside stored: [any AnyResource] = []
    ) -> ManifestReading {
        var reading = table.read(files, workingDirectory: workingDirectory)
        reading.problems = inOrder(reading.problems + check(reading.drafts, beside: stored), files.map(\.file))
        return reading
    }

    /// What is wrong between objects: references that lead nowhere, addresses and names given twice, layouts that do
    /// not fit, and so on. What is broken in a draft is not judged again.
    /// - Parameter stored: what the store holds. An object that is drafted again is looked at as drafted; children of
    ///   others (which their owners remake) and leaving ones are passed over.
    package static func check(_ drafts: [Draft], beside stored: [any AnyResource]) -> [Problem] {
        let world = CheckedWorld(drafts, beside: stored)
        var problems: [Problem] = []
        problems += checkReferences(world)
        problems += checkAddresses(world)
        problems += checkNames(world)
        problems += checkMachines(world)
        problems += checkLayouts(world)
        problems += checkServices(world)
        problems += checkClusters(world)
        return inOrder(problems, drafts.map(\.file))
    }

    private static func inOrder(_ problems: [Problem], _ files: [String]) -> [Problem] {
        let ranks = Dictionary(files.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
        func rank(_ problem: Problem) -> (Int, Mark, String, String) {
            (ranks[problem.file] ?? 0, problem.mark, problem.path, problem.message)
        }
        return problems.sorted { rank($0) < rank($1) }
    }
}

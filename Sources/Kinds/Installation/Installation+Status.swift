import Foundation
import Manifest
import Resource

extension Installation {
    package struct Status: Codable, Hashable, Sendable {
        /// Names the latest run: made of uid, generation and attempt.
        var run: String?
        /// What the installer said last: "Formatting hard drive with disko".
        var step: String?
        var phase: Phase?
        /// When the phase was first seen.
        var phaseSince: Moment?
        /// When the latest run came how far, and its machine before and after it; see `Milestone`.
        var timeline: [String: Moment] = [:]
        /// For how many milliseconds in all its machine's requests waited for the boot servers.
        var servedMilliseconds: Int?
        /// The first boot of what was installed, which the timeline tells of; the kernel's name for it.
        var firstBoot: String?
        var startedAt: Date?
        var finishedAt: Date?
        var exitCode: Int?
        /// Whether the run is under way.
        var isRunning: Bool?
        /// Why the latest run that failed did, and which one that was.
        var failure: String?
        var failedRun: String?
        /// Runs since somebody last asked for one.
        var attempts: Int?
        /// The last request of a person that was heard.
        var heardRequest: String?
        /// Path of the latest run's log.
        var log: String?
        /// Consents that were used.
        var spentConsents: [String] = []
        /// The disks that the latest run may format, and the run of ours that began to.
        var disks: String?
        var formattedBy: String?
        /// Another system was seen on the machine since that run: what the disks hold may be no longer what it left.
        var wasTakenOver: Bool?
        /// Whether its machine is to be offered the NetBoot now.
        var wantsNetBoot: Bool?
        /// New boots that were asked for since its last run began.
        var boots: Boots?
        /// What the node is expected to run: the system that it came up with after its installation.
        var system: String?
        /// What that was made from.
        var source: String?
        /// What the manifest made of its system when that was installed, as a digest of each part (`ClusterRendering.parts`); nil where
        /// that is not known, as of a flake of one's own.
        var configuration: [String: String]?
        /// How often each of its disks had been given up under a consent when the latest run was decided on, by the Disk's name.
        var diskConsents: [String: Int]?
        /// Names the node through which it joins its cluster, which had formed when the latest run was decided on; nil: as the
        /// manifest says.
        var joinsThrough: String?
        /// Whether the node was set up to be given revocation lists; nil in records of earlier versions.
        var hasRevocationLists: Bool?
        /// The Cluster's name when its members were given the token that this one was given, too; nil in records of earlier versions.
        var tokenCluster: String?
        /// Hexadecimal ids of the members of that cluster whose disk the latest run formats.
        var formerMembers: [String] = []
        /// A person wants it installed anew, though it runs.
        var isReinstalling: Bool?
        /// What it is held to again when that word is taken back before a run begins.
        var formerSystem: String?
        /// The node's SSH host key, which plasma gave it.
        var hostKey: String?
        /// Where the node differs from what was installed.
        var drift: [String] = []

        /// What of its certificate the node had when it was last looked at.
        var delivered: Delivered?

        init() {}

        var terms: Terms { Terms(joinsThrough: joinsThrough, hasRevocationLists: hasRevocationLists ?? false, tokenCluster: tokenCluster) }

        /// `phase` is the word of the status that every kind has.
        private enum CodingKeys: String, CodingKey {
            case run, step, phase = "installerPhase", phaseSince, timeline, servedMilliseconds, firstBoot, startedAt, finishedAt, exitCode, isRunning
            case failure, failedRun, attempts, heardRequest, log, spentConsents, disks, formattedBy, wantsNetBoot, system, source, isReinstalling, hostKey, drift
            case boots, delivered, diskConsents, wasTakenOver, configuration, joinsThrough, formerMembers, hasRevocationLists
            case tokenCluster, formerSystem
        }

        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            func read<T: Decodable>(_ key: CodingKeys) throws -> T? { try fields.decodeIfPresent(T.self, forKey: key) }
            run = try read(.run)
            step = try read(.step)
            phase = try read(.phase)
            phaseSince = try read(.phaseSince)
            timeline = try read(.timeline) ?? [:]
            servedMilliseconds = try read(.servedMilliseconds)
            firstBoot = try read(.firstBoot)
            startedAt = try read(.startedAt)
            finishedAt = try read(.finishedAt)
            exitCode = try read(.exitCode)
            isRunning = try read(.isRunning)
            failure = try read(.failure)
            failedRun = try read(.failedRun)
            attempts = try read(.attempts)
            heardRequest = try read(.heardRequest)
            log = try read(.log)
            spentConsents = try read(.spentConsents) ?? []
            disks = try read(.disks)
            formattedBy = try read(.formattedBy)
            wasTakenOver = try read(.wasTakenOver)
            wantsNetBoot = try read(.wantsNetBoot)
            boots = try read(.boots)
            system = try read(.system)
            source = try read(.source)
            isReinstalling = try read(.isReinstalling)
            hostKey = try read(.hostKey)
            drift = try read(.drift) ?? []
            diskConsents = try read(.diskConsents)
            joinsThrough = try read(.joinsThrough)
            formerMembers = try read(.formerMembers) ?? []
            hasRevocationLists = try read(.hasRevocationLists)
            tokenCluster = try read(.tokenCluster)
            formerSystem = try read(.formerSystem)
            delivered = try read(.delivered)
            configuration = try read(.configuration)
        }
    }

    /// What was decided once, with the run: what the node was given stays what it is held to.
    struct Terms: Hashable, Sendable {
        /// The node through which it joins a cluster that has formed; nil: as the manifest says.
        var joinsThrough: String?
        var hasRevocationLists = false
        /// See `Status.tokenCluster`; nil: not decided yet.
        var tokenCluster: String?
    }

    /// A certificate as a node has it.
    package struct Delivered: Codable, Hashable, Sendable {
        /// Names the Certificate.
        var certificate: String
        /// The certificate of the authority that signed it.
        var issuer: Digest?
        /// The roots that the node trusts.
        var trust: [Digest]
    }

    /// The path of the latest run's log, as far as one was started.
    package static func log(of installation: Resource<Installation>) -> String? { installation.status?.detail.log }
}

@testable import Raft
import Testing

/// The public vectors of etcd-io/raft for the arithmetic of quorums and for changes of the configuration.
@Suite(.enabled(if: VectorFile.areHere, "the public Raft vectors lie beside the repository, and not here"))
struct VectorTests {
    @Test func `all thirteen files are read`() {
        #expect(VectorFile.all("quorum").count == 4)
        #expect(VectorFile.all("confchange").count == 9)
    }

    @Test(arguments: VectorFile.all("quorum")) func `quorums of majorities and of joint ones`(_ file: VectorFile) {
        #expect(!file.directives.isEmpty)
        for directive in file.directives {
            let outcome = quorum(directive)
            let fact = directive.expected.last ?? ""
            // Above the last line is a drawing.
            let wanted = fact.contains("∞") ? "\(UInt64.max)" : fact
            #expect(outcome == wanted, "\(file.name):\(directive.line)")
        }
    }

    private func quorum(_ directive: VectorFile.Directive) -> String {
        let (ids, joint) = (directive.ids("cfg"), directive.ids("cfgj"))
        let configuration = Configuration(voters: ids, outgoing: joint)
        var order: [UInt64] = []
        for id in ids + joint where !order.contains(id) { order.append(id) }
        let values = Dictionary(uniqueKeysWithValues: zip(order, directive.list("idx") + directive.list("votes")))
        switch directive.command {
        case "committed":
            let known: (UInt64) -> UInt64 = { values[$0].flatMap { UInt64($0) } ?? 0 }
            let reached = Quorum.reached(by: configuration, known)
            #expect(reached == min(Quorum.reached(by: ids.reversed(), known), Quorum.reached(by: joint, known)))
            return "\(reached)"
        case "vote":
            switch Quorum.verdict(of: configuration, { values[$0] == "_" ? nil : values[$0] == "y" }) {
            case .won: return "VoteWon"
            case .lost: return "VoteLost"
            case .pending: return "VotePending"
            }
        default: return "no such command: \(directive.command)"
        }
    }

    @Test(arguments: VectorFile.all("confchange")) func `changes of the configuration`(_ file: VectorFile) throws {
        var configuration = Configuration()
        var members = Members()
        for (last, directive) in file.directives.enumerated() {
            let place: Comment = "\(file.name):\(directive.line)"
            let steps = try directive.input.flatMap { $0.split(separator: " ") }.compactMap { try step($0) }
            let next: Configuration
            do throws(ConfigurationError) {
                switch directive.command {
                case "simple": next = try configuration.changed(steps)
                case "enter-joint":
                    next = try configuration.enteringJoint(steps, autoLeave: directive.arguments["autoleave"] == "true")
                case "leave-joint": next = try configuration.leavingJoint()
                default:
                    Issue.record("no such command: \(directive.command) in \(file.name)")
                    continue
                }
            } catch {
                #expect(directive.expected.first?.hasPrefix("voters=") == false, place)
                continue
            }
            configuration = next
            members.follow(configuration, last: UInt64(last))
            #expect(describe(configuration, members) == directive.expected, place)
        }
    }

    private func step(_ text: Substring) throws -> ConfigurationChange.Step? {
        let id = try #require(UInt64(text.dropFirst()))
        switch text.first {
        case "v": return .init(.addVoter, id)
        case "l": return .init(.addLearner, id)
        case "r": return .init(.remove, id)
        // Who the member is concerns the machine alone.
        case "u": return nil
        default: throw ConfigurationError.unreadable
        }
    }

    private func describe(_ configuration: Configuration, _ members: Members) -> [String] {
        [configuration.description] + zip(members.ids, members.progress).map { id, progress in
            let state = "State" + progress.state.rawValue.prefix(1).uppercased() + progress.state.rawValue.dropFirst()
            let learner = configuration.isLearner(id) ? " learner" : ""
            return "\(id): \(state) match=\(progress.match) next=\(progress.next)\(learner)"
        }
    }
}

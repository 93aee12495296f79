import Foundation
import Host
import Testing

@testable import Probe

@Suite struct ProbeEntryTests {
    /// Says of each look what is then told of the members: a leader's term where they are well, otherwise what is wrong.
    private func told(_ looks: [String]) -> [String?] {
        var entry = ProbeEntry(ProbeJob(node: "", .members([], wanted: ["n1"], trust: nil), every: .seconds(1), within: .seconds(1)), serial: 1)
        return looks.map { look in
            let result: Result<MembershipCheck.Finding, ProbeFailure>
            if let term = UInt64(look), let finding = MembershipCheck.check(wanted: ["n1"], views: [(node: "n1", view: view(term))]) {
                result = .success(finding)
            } else {
                result = .failure(ProbeFailure(.timeout, look))
            }
            entry.note(.members(result), at: Instant(sinceStart: .zero), date: Date(timeIntervalSince1970: 0))
            var findings = ProbeFindings()
            entry.write(&findings)
            return findings.members.map { $0.failure ?? $0.finding?.term.map { String($0) } ?? "-" }
        }
    }

    private func view(_ term: UInt64) -> MembershipCheck.View { .init(members: [.init(name: "n1", isLeader: true)], term: term) }

    @Test func `members that are unwell twice in a row are told to be, in whatever way they are`() {
        #expect(told(["1", "a", "b", "c", "2"]) == ["1", "1", "b", "c", "2"])
    }

    @Test func `an election between two answers is no trouble`() {
        #expect(told(["1", "a", "2", "b", "3"]) == ["1", "1", "2", "2", "3"])
    }

    @Test func `the first look is believed`() {
        #expect(told(["a", "b", "1"]) == ["a", "b", "1"])
    }
}

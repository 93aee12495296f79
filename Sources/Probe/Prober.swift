import Foundation
import Host
import Logging
import Synchronization

/// Asks what it was told to ask, again and again, and keeps what it came to: whoever wants to know is answered at once.
///
/// At most `width` questions are open at a time; each has its own limit of time and of bytes.
package final class Prober: Sendable {
    private struct Key: Hashable {
        var subject: String
        var node: String
        var facet: ProbeJob.Facet
    }
    private enum Event: Sendable {
        case due(Key, UInt64)
        case answered(Key, UInt64, ProbeEntry.Answer)
    }
    private struct State {
        var subjects: [String: [Key: ProbeEntry]] = [:]
        var serial: UInt64 = 0
        var mailbox: AsyncStream<Event>.Continuation?
        var listeners = Listeners<String>()

        func findings(of subject: String) -> ProbeFindings {
            var findings = ProbeFindings()
            for entry in (subjects[subject] ?? [:]).values { entry.write(&findings) }
            return findings
        }
    }

    private let time: any Time
    private let shell: (any RemoteShell)?
    private let width: Int
    private let state = Mutex(State())

    /// - Parameter shell: nil: commands on nodes cannot be run.
    package init(time: any Time, shell: (any RemoteShell)?, width: Int = 64) {
        self.time = time
        self.shell = shell
        self.width = width
    }

    package var canRunCommands: Bool { shell != nil }

    /// The whole of what is asked for a subject. What was asked before and stays the same goes on undisturbed.
    package func assign(_ subject: String, _ jobs: [ProbeJob]) {
        state.withLock { state in
            var old = state.subjects[subject] ?? [:]
            var new: [Key: ProbeEntry] = [:]
            for job in jobs {
                let key = Key(subject: subject, node: job.node, facet: job.question.facet)
                if var entry = old.removeValue(forKey: key) {
                    if entry.job != job {
                        state.serial += 1
                        entry.replace(with: job, serial: state.serial)
                        state.mailbox?.yield(.due(key, state.serial))
                    }
                    new[key] = entry
                } else {
                    state.serial += 1
                    new[key] = ProbeEntry(job, serial: state.serial)
                    state.mailbox?.yield(.due(key, state.serial))
                }
            }
            state.subjects[subject] = new.isEmpty ? nil : new
        }
    }

    /// The members were changed: they are asked again at once, and until then nothing is known of them.
    package func renewMembers(of subject: String) {
        state.withLock { state in
            let key = Key(subject: subject, node: "", facet: .members)
            guard var entry = state.subjects[subject]?[key] else { return }
            state.serial += 1
            entry.forgetMembers(serial: state.serial)
            state.subjects[subject]?[key] = entry
            state.mailbox?.yield(.due(key, state.serial))
            state.listeners.tell(subject)
        }
    }

    package func findings(of subject: String) -> ProbeFindings { state.withLock { $0.findings(of: subject) } }

    /// Subjects whose findings changed.
    package func wakes() -> AsyncStream<String> { state.withLock { $0.listeners.add() } }

    /// Runs until cancelled.
    package func run() async throws {
        let (events, mailbox) = AsyncStream.makeStream(of: Event.self)
        state.withLock { state in
            state.mailbox = mailbox
            for entries in state.subjects.values { for (key, entry) in entries { mailbox.yield(.due(key, entry.serial)) } }
        }
        await withDiscardingTaskGroup { tasks in
            var running = 0
            // First come, first served; taken from `next` on.
            var queue: [(Key, UInt64)] = []
            var next = 0
            for await event in events {
                switch event {
                case .due(let key, let serial): queue.append((key, serial))
                case .answered(let key, let serial, let answer):
                    running -= 1
                    if let pause = note(answer, of: key, serial) {
                        tasks.addTask { [time] in
                            guard (try? await time.sleep(for: pause)) != nil else { return }
                            mailbox.yield(.due(key, serial))
                        }
                    }
                }
                while running < width, next < queue.count {
                    let (key, serial) = queue[next]
                    next += 1
                    guard let job = job(key, serial) else { continue }
                    running += 1
                    tasks.addTask { [self] in mailbox.yield(.answered(key, serial, await ask(job))) }
                }
                if next == queue.count { (queue, next) = ([], 0) }
            }
            tasks.cancelAll()
        }
        state.withLock { $0.mailbox = nil }
    }

    private func job(_ key: Key, _ serial: UInt64) -> ProbeJob? {
        state.withLock { state in
            guard let entry = state.subjects[key.subject]?[key], entry.serial == serial else { return nil }
            return entry.job
        }
    }

    /// - Returns: how long until it is asked again; nil when nobody wants to know any more.
    private func note(_ answer: ProbeEntry.Answer, of key: Key, _ serial: UInt64) -> Duration? {
        let (now, date) = (time.now(), time.date())
        return state.withLock { state in
            guard var entry = state.subjects[key.subject]?[key], entry.serial == serial else { return nil }
            var (before, after) = (ProbeFindings(), ProbeFindings())
            entry.write(&before)
            entry.note(answer, at: now, date: date)
            entry.write(&after)
            state.subjects[key.subject]?[key] = entry
            if after != before { state.listeners.tell(key.subject) }
            return entry.pause
        }
    }

    private func ask(_ job: ProbeJob) async -> ProbeEntry.Answer {
        switch job.question {
        case .certificate(let address):
            do throws(ProbeFailure) { return .certificate(.success(try await Dial.present(address, within: job.within))) } catch {
                return .certificate(.failure(error))
            }
        case .members(let places, let wanted, let trust): return .members(await ask(places, wanted, trust, job.within))
        case .firstBoot(let service, let address):
            do throws(ProbeFailure) { return .firstBoot(.success(try await state(of: service, job.node, address, job.within))) } catch {
                return .firstBoot(.failure(error))
            }
        default:
            do throws(ProbeFailure) {
                try await look(job)
                return .health(nil)
            } catch {
                return .health(error)
            }
        }
    }

    private func look(_ job: ProbeJob) async throws(ProbeFailure) {
        switch job.question {
        case .http(let address, let path, let trust):
            try HTTPProbe.judge(try await HTTPProbe.get(path, at: address, trust: trust, within: job.within, now: time.date()))
        case .tcp(let address): try await TCPProbe.look(address, within: job.within)
        case .grpc(let address, let service, let trust): try await GRPCProbe.look(address, service: service, trust: trust, within: job.within)
        case .exec(let command, let address):
            _ = try await ExecProbe.look(command, on: job.node, at: address, through: shell, within: job.within)
        case .certificate, .members, .firstBoot: preconditionFailure("\(job.question) is no question of health")
        }
    }

    /// All nodes at once, so that an election falls between as few answers as can be.
    private func ask(
        _ places: [ProbeJob.Place], _ wanted: [String], _ trust: ProbeTrust?, _ limit: Duration
    ) async -> Result<MembershipCheck.Finding, ProbeFailure> {
        let now = time.date()
        let answers = await withTaskGroup(of: (String, Result<MembershipCheck.View, ProbeFailure>).self) { tasks in
            for place in places {
                tasks.addTask { [self] in (place.node, await view(of: place, trust, limit, now)) }
            }
            var answers: [(String, Result<MembershipCheck.View, ProbeFailure>)] = []
            for await answer in tasks { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }
        }
        let views = answers.compactMap { node, answer in (try? answer.get()).map { (node: node, view: $0) } }
        if let finding = MembershipCheck.check(wanted: wanted, views: views) { return .success(finding) }
        guard case .failure(let failure)? = answers.first?.1 else { return .failure(ProbeFailure(.unreachable, "no node can be asked")) }
        return .failure(ProbeFailure(failure.category, "\(answers[0].0): \(failure.text)"))
    }

    /// By itself: written into the group's closure, an optimizing Swift 6.3 makes a failure of it that is no value.
    private func view(of place: ProbeJob.Place, _ trust: ProbeTrust?, _ limit: Duration, _ now: Date) async -> Result<MembershipCheck.View, ProbeFailure> {
        do throws(ProbeFailure) {
            return .success(try await MembersPage.ask(place.address, trust: trust, within: limit, now: now))
        } catch {
            return .failure(error)
        }
    }

    /// nil when the node has none.
    private func state(of service: String, _ node: String, _ address: SSHTarget, _ limit: Duration) async throws(ProbeFailure) -> FirstBootState? {
        let file = "\(FirstBootState.directory)/\(service).json"
        let bytes: [UInt8]
        do throws(ProbeFailure) {
            bytes = try await ExecProbe.look(["cat", file], on: node, at: address, through: shell, within: limit)
        } catch {
            if error.category == .exit { return nil }
            throw error
        }
        do { return try FirstBootState(bytes) } catch { throw ProbeFailure(.protocolError, "\(file) is no state of a first boot") }
    }
}

import ArgumentParser

struct ChainfireCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chainfire",
        abstract: "Runs and looks after the replicated store, and speaks with it.",
        discussion: """
            Chainfire speaks etcd's v3 API: etcdctl, client libraries and dashboards for etcd work with it. These verbs do \
            what etcd's tools do not: they run a member, replace one, and say why a change of members is refused.

            EXAMPLES
              plasma chainfire serve --config node01.yaml
              plasma chainfire status --endpoints https://10.0.0.1:2379 --ca-file ca.crt
              plasma chainfire member replace node03 node04 --peer-urls https://10.0.0.4:2380
              plasma chainfire snapshot save backup.db

            ENVIRONMENT
              PLASMA_CHAINFIRE_ENDPOINTS  the members, as --endpoints

            EXIT CODES
              0  done    1  not done: the message says what and why
            """,
        subcommands: [
            ServeCommand.self, StatusCommand.self, MemberCommand.self, SnapshotCommand.self, DefragCommand.self, CheckCommand.self,
            GetKeyCommand.self, PutKeyCommand.self, DeleteKeyCommand.self, WatchKeyCommand.self,
        ])
}

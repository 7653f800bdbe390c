using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>What the operator reads in the log of what Kafka clients do.</summary>
public sealed class LogTests(BrokerFixture broker) : SecurityTest(broker)
{
    private const sbyte Topic = 2, Cluster = 4, Literal = 3, Read = 3, Alter = 7, Allow = 3;

    private BrokerProcess _process = null!;

    protected override (string Host, int Port) Listener => ("127.0.0.1", _process.KafkaPort);

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "the log is Sluice's own");
        _process = await BrokerProcess.StartAsync();
        Client = await ConnectAsync("127.0.0.1", _process.KafkaPort);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_process is not null)
        {
            Assert.Empty(_process.ErrorLines);
            await _process.DisposeAsync();
        }
    }

    [Fact]
    public async Task Logins_are_told_with_user_mechanism_and_client()
    {
        string user = await UserAsync();
        await using (RawClient client = await LogInAsync(user))
        {
            await LoggedAsync($"user '{user}' logged in by SCRAM-SHA-256 to virtual host '/', client 'conformance'");
        }

        await LoggedAsync($"user '{user}' closed: the client closed the connection");
        Assert.Single(Lines("is admitted without a login (Kafka:AnonymousUser) to virtual host '/', client 'conformance'"));
    }

    [Fact]
    public async Task A_client_that_logs_in_after_it_was_admitted_without_is_told_of_as_who_it_is()
    {
        RawClient client = await ConnectToLogInAsync();
        client.ClientId = new string('c', 10_000);
        await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 12);
        await LoggedAsync("is admitted without a login", $", client '{new string('c', 256)}'");
        await client.PlainAsync("guest", "guest");
        await LoggedAsync("user 'guest' logged in by PLAIN to virtual host '/', client 'ccc");
    }

    [Fact]
    public async Task A_refused_login_is_one_warning()
    {
        RawClient client = await ConnectToLogInAsync();
        await client.PlainAsync("guest", "wrong");
        await client.IsClosedAsync();
        await LoggedAsync("Login of user 'guest'");

        // What comes after it in the log would be there by now.
        await using RawClient next = await LogInAsync(await UserAsync());
        await LoggedAsync("logged in by SCRAM-SHA-256");
        Assert.Single(Lines("warn:"));
    }

    [Fact]
    public async Task Topics_that_are_made_changed_and_deleted_are_told_with_who_does_it()
    {
        TestTopic topic = await TopicAsync(3, ("retention.ms", "60000"));
        await LoggedAsync($"User 'guest' created topic '{topic.Name}' with 3 partitions and retention.ms=60000 in virtual host '/'");
        await Client.AskAsync<CreatePartitionsResponse>(new CreatePartitionsRequest { Topics = [new CreatePartitionsRequest.CreatePartitionsTopic { Name = topic.Name, Count = 5, Assignments = null }], TimeoutMs = 10_000 }, 3);
        await LoggedAsync($"User 'guest' gave topic '{topic.Name}' 5 partitions, 2 more");
        await Client.AskAsync<DeleteTopicsResponse>(new DeleteTopicsRequest { Topics = [new DeleteTopicsRequest.DeleteTopicState { Name = topic.Name }], TimeoutMs = 10_000 }, 6);
        await LoggedAsync($"User 'guest' deleted topic '{topic.Name}' with 5 partitions");

        string asked = Name();
        await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { Name = asked }], AllowAutoTopicCreation = true }, 12);
        await LoggedAsync($"User 'guest' created topic '{asked}' with 1 partition by asking for it (Kafka:AutoCreateTopics)");
    }

    [Fact]
    public async Task Refused_operations_are_warnings_and_what_lists_leave_out_is_not()
    {
        TestTopic topic = await TopicAsync();
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        for (int i = 0; i < 5; i++)
        {
            await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = null }, 12);
            MetadataResponse answer = await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { Name = topic.Name }] }, 12);
            Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, Assert.Single(answer.Topics).ErrorCode);
        }

        await LoggedAsync("warn:", $"User '{user}' from 127.0.0.1 was refused Describe on topic '{topic.Name}': no permission and no entry of the access list allows it");
        Assert.Single(Lines("warn:"));
    }

    [Fact]
    public async Task An_attempt_on_an_administrators_password_is_a_warning()
    {
        string user = await UserAsync();
        await Client.AskAsync<CreateAclsResponse>(
            new CreateAclsRequest { Creations = [new CreateAclsRequest.AclCreation { ResourceType = Cluster, ResourceName = "kafka-cluster", ResourcePatternType = Literal, Principal = $"User:{user}", Host = "*", Operation = Alter, PermissionType = Allow }] }, 3);
        RawClient client = await LogInAsync(user);
        var attempt = new AlterUserScramCredentialsRequest { Deletions = [], Upsertions = [Upsertion("guest", SaslMoves.Sha256, "mine")] };
        AlterUserScramCredentialsResponse answer = await client.AskAsync<AlterUserScramCredentialsResponse>(attempt, 0);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, Assert.Single(answer.Results).ErrorCode);
        await LoggedAsync("warn:", $"User '{user}' from 127.0.0.1 was refused Alter on user 'guest': only administrators change how administrators log in");
        Assert.Single(Lines("warn:"));
    }

    [Fact]
    public async Task Credentials_that_are_set_and_taken_away_are_told_with_who_does_it()
    {
        string user = await UserAsync();
        await LoggedAsync($"User 'guest' created user '{user}': a credential for SCRAM-SHA-256");
        await Client.AskAsync<AlterUserScramCredentialsResponse>(new AlterUserScramCredentialsRequest { Deletions = [], Upsertions = [Upsertion(user, SaslMoves.Sha256, "other")] }, 0);
        await LoggedAsync($"User 'guest' changed user '{user}': a credential for SCRAM-SHA-256");
        await Client.AskAsync<AlterUserScramCredentialsResponse>(
            new AlterUserScramCredentialsRequest { Deletions = [new AlterUserScramCredentialsRequest.ScramCredentialDeletion { Name = user, Mechanism = 1 }], Upsertions = [] }, 0);
        await LoggedAsync($"User 'guest' changed user '{user}': no credential for SCRAM-SHA-256");
    }

    [Fact]
    public async Task Quotas_and_configurations_that_are_changed_are_told_with_who_does_it()
    {
        string name = Name();
        await Client.AskAsync<AlterClientQuotasResponse>(
            new AlterClientQuotasRequest
            {
                Entries =
                [
                    new AlterClientQuotasRequest.EntryData
                    {
                        Entity = [new AlterClientQuotasRequest.EntityData { EntityType = "user", EntityName = name }, new AlterClientQuotasRequest.EntityData { EntityType = "client-id", EntityName = null }],
                        Ops = [new AlterClientQuotasRequest.OpData { Key = "producer_byte_rate", Value = 5000, Remove = false }, new AlterClientQuotasRequest.OpData { Key = "consumer_byte_rate", Remove = true }],
                    },
                ],
            },
            1);
        await LoggedAsync($"User 'guest' changed quotas of user '{name}', every other client-id: producer_byte_rate=5000, no consumer_byte_rate");
        await Client.AskAsync<IncrementalAlterConfigsResponse>(
            new IncrementalAlterConfigsRequest { Resources = [new() { ResourceType = 32, ResourceName = name, Configs = [new() { Name = "consumer.session.timeout.ms", Value = "50000" }] }] }, 1);
        await LoggedAsync($"User 'guest' configured group '{name}': consumer.session.timeout.ms=50000");
    }

    [Fact]
    public async Task A_topic_id_that_is_not_there_is_no_refused_operation()
    {
        TestTopic topic = await TopicAsync();
        RawClient client = await LogInAsync(await UserAsync());
        foreach ((TestTopic to, KafkaErrorCode expected) in new[] { (new TestTopic("", Guid.NewGuid()), KafkaErrorCode.UnknownTopicId), (topic, KafkaErrorCode.TopicAuthorizationFailed) })
        {
            ProduceResponse answer = await client.AskAsync<ProduceResponse>(Produce(to, 1, (0, BatchBuilder.Of("x"))), 13);
            Assert.Equal(expected, Assert.Single(Assert.Single(answer.Responses).PartitionResponses).ErrorCode);
        }

        await LoggedAsync("warn:", $"was refused Write on topic '{topic.Name}'");
        Assert.Single(Lines("warn:"));
    }

    [Fact]
    public async Task Entries_of_the_access_list_are_told_in_words_with_who_made_them()
    {
        await Client.AskAsync<CreateAclsResponse>(
            new CreateAclsRequest { Creations = [new CreateAclsRequest.AclCreation { ResourceType = Topic, ResourceName = "orders", ResourcePatternType = Literal, Principal = "User:ada", Host = "*", Operation = Read, PermissionType = Allow }] }, 3);
        await LoggedAsync("Access control entry added by 'guest': User:ada from any address may Read topic 'orders'");
    }

    [Fact]
    public async Task A_client_that_speaks_something_else_is_told_by_what_it_speaks()
    {
        RawClient tls = await ConnectToLogInAsync();
        await tls.SendBytesAsync(new byte[] { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3 });
        await tls.IsClosedAsync();
        await LoggedAsync("is closed: it speaks TLS, and this port is the one without", "Kafka:Tls:Port");
        RawClient http = await ConnectToLogInAsync();
        await http.SendBytesAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        await http.IsClosedAsync();
        await LoggedAsync("is closed: it speaks HTTP, and this is the port for Kafka clients", "Admin:Port");
        RawClient streams = await ConnectToLogInAsync();
        await streams.SendBytesAsync(RawClient.Frame([0, 88, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0]));
        await streams.IsClosedAsync();
        await LoggedAsync("is closed: it asks for StreamsGroupHeartbeat, which is not served");
        Assert.Empty(Lines("is no Kafka request"));
    }

    [Fact]
    public async Task A_request_that_is_too_large_before_the_login_is_told_with_its_size()
    {
        RawClient client = await ConnectToLogInAsync();
        await client.ChooseAsync("PLAIN");
        await client.SendBytesAsync(RawClient.Frame(new byte[600_000]).AsMemory(0, 100));
        await client.IsClosedAsync();
        await LoggedAsync("is closed: it sent what is no Kafka request: a request of 600000 bytes; at most 524288 are allowed before the login");
    }

    private string[] Lines(string part) => [.. _process.Log.Split('\n').Where(line => line.Contains(part, StringComparison.Ordinal))];

    private Task LoggedAsync(params string[] parts) => _process.LoggedAsync(parts);
}

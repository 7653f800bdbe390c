using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Access control lists: KIP-11, KIP-140, KIP-290, KIP-679.</summary>
public sealed class AclTests(BrokerFixture broker) : SecurityTest(broker)
{
    private const sbyte Any = 1;
    private const sbyte Topic = 2, Group = 3, Cluster = 4, TransactionalId = 5;
    private const sbyte Match = 2, Literal = 3, Prefixed = 4;
    private const sbyte All = 2, Read = 3, Write = 4, Create = 5, Delete = 6, Alter = 7, Describe = 8, AlterConfigs = 11, IdempotentWrite = 12;
    private const sbyte Deny = 2, Allow = 3;
    private const string ClusterName = "kafka-cluster";

    [Fact]
    public async Task KIP290_Entries_are_made_found_and_deleted()
    {
        string user = Name("user");
        string topic = Name();
        await AddAsync(user, Topic, topic, Read);
        await AddAsync(user, Topic, topic[..^2], Write, Prefixed, Deny, "192.0.2.1");
        await AddAsync(user, Topic, "*", Describe);
        await AddAsync(user, Group, topic, All);
        string literal = $"2/3 {topic}: User:{user} * 3/3", prefixed = $"2/4 {topic[..^2]}: User:{user} 192.0.2.1 4/2", wildcard = $"2/3 *: User:{user} * 8/3", group = $"3/3 {topic}: User:{user} * 2/3";
        await EventuallyAsync(async () => (await FindAsync(user, Any, null, Any)).Count == 4, "four entries");
        Assert.Equal(Sorted(literal, prefixed, wildcard, group), await FindAsync(user, Any, null, Any));
        Assert.Equal(Sorted(literal, prefixed, wildcard), await FindAsync(user, Topic, topic, Match));
        Assert.Equal([literal], await FindAsync(user, Topic, topic, Any));
        Assert.Equal([literal], await FindAsync(user, Topic, topic, Literal));
        Assert.Equal([prefixed], await FindAsync(user, Topic, topic[..^2], Prefixed));
        Assert.Empty(await FindAsync(user, Topic, topic, Prefixed));
        Assert.Equal([wildcard], await FindAsync(user, Topic, "*", Literal));
        Assert.Equal([prefixed], await FindAsync(user, Topic, null, Prefixed));
        Assert.Equal([prefixed], await FindAsync(user, Any, null, Any, permission: Deny));
        Assert.Equal([wildcard], await FindAsync(user, Any, null, Any, operation: Describe));
        Assert.Equal([prefixed], await FindAsync(user, Any, null, Any, host: "192.0.2.1"));

        // What is there already stays as it is.
        await AddAsync(user, Topic, topic, Read);
        Assert.Equal(4, (await FindAsync(user, Any, null, Any)).Count);
        DeleteAclsResponse deleted = await Client.AskAsync<DeleteAclsResponse>(
            new DeleteAclsRequest { Filters = [Filter(user, Topic, topic, Match), Filter(user, Cluster, null, Any)] }, 3);
        Assert.Equal([KafkaErrorCode.None, KafkaErrorCode.None], deleted.FilterResults.Select(static result => result.ErrorCode));
        Assert.Equal(
            Sorted(literal, prefixed, wildcard),
            deleted.FilterResults[0].MatchingAcls.Select(static acl => $"{acl.ResourceType}/{acl.PatternType} {acl.ResourceName}: {acl.Principal} {acl.Host} {acl.Operation}/{acl.PermissionType}").Order(StringComparer.Ordinal));
        Assert.Empty(deleted.FilterResults[1].MatchingAcls);
        await EventuallyAsync(async () => (await FindAsync(user, Any, null, Any)).SequenceEqual([group]), "one entry left");
    }

    [Fact]
    public async Task KIP140_Entries_that_cannot_be()
    {
        CreateAclsResponse response = await Client.AskAsync<CreateAclsResponse>(new CreateAclsRequest { Creations = [Entry("u", Topic, "", Read), Entry("u", Cluster, "other", Alter)] }, 3);
        Assert.Equal([KafkaErrorCode.InvalidRequest, KafkaErrorCode.InvalidRequest], response.Results.Select(static result => result.ErrorCode));

        // Kafka has no words for these.
        KafkaErrorCode expected = BrokerFixture.IsKafka ? KafkaErrorCode.UnknownServerError : KafkaErrorCode.InvalidRequest;
        CreateAclsRequest.AclCreation[] wrong =
        [
            Entry("u", Any, "x", Read), Entry("u", Topic, "x", Read, Any), Entry("u", Topic, "x", Read, Match), Entry("u", Topic, "x", Any), Entry("u", Topic, "x", Read, Literal, Any),
        ];
        foreach (CreateAclsRequest.AclCreation entry in wrong)
        {
            response = await Client.AskAsync<CreateAclsResponse>(new CreateAclsRequest { Creations = [entry] }, 3);
            Assert.Equal(expected, Assert.Single(response.Results).ErrorCode);
        }
    }

    [Fact]
    public async Task Entries_that_would_do_nothing_are_refused()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has delegation tokens, and authorizers may know other principals");
        CreateAclsRequest.AclCreation group = Entry("u", Topic, "x", Read);
        group.Principal = "Group:x";
        CreateAclsResponse response = await Client.AskAsync<CreateAclsResponse>(new CreateAclsRequest { Creations = [Entry("u", 6, "token", Describe), Entry("u", 7, "user", Describe), group] }, 3);
        Assert.All(response.Results, static result => Assert.Equal(KafkaErrorCode.InvalidRequest, result.ErrorCode));
    }

    [Fact]
    public async Task KIP11_Nothing_is_allowed_that_no_entry_allows()
    {
        TestTopic topic = await TopicAsync();
        string group = Name("group");
        RawClient client = await LogInAsync(await UserAsync());
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await DescribesAsync(client, topic));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await WritesAsync(client, topic));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await ReadsAsync(client, topic));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await CreatesAsync(client, Name()));
        Assert.Equal(KafkaErrorCode.GroupAuthorizationFailed, await FindsGroupAsync(client, group));
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, (await client.AskAsync<DescribeAclsResponse>(new DescribeAclsRequest { ResourceTypeFilter = Any, PatternTypeFilter = Any, Operation = Any, PermissionType = Any, ResourceNameFilter = null, PrincipalFilter = null, HostFilter = null }, 3)).ErrorCode);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, Assert.Single((await client.AskAsync<CreateAclsResponse>(new CreateAclsRequest { Creations = [Entry("u", Topic, "x", Read)] }, 3)).Results).ErrorCode);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, Assert.Single((await client.AskAsync<DeleteAclsResponse>(new DeleteAclsRequest { Filters = [Filter("u", Topic, "x", Any)] }, 3)).FilterResults).ErrorCode);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, (await client.AskAsync<DescribeUserScramCredentialsResponse>(new DescribeUserScramCredentialsRequest { Users = [new DescribeUserScramCredentialsRequest.UserName { Name = "u" }] }, 0)).ErrorCode);
        Assert.Empty((await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = null }, 12)).Topics);
        Assert.Empty((await client.AskAsync<ListGroupsResponse>(new ListGroupsRequest(), 5)).Groups);
    }

    [Theory]
    [InlineData(Literal)]
    [InlineData(Prefixed)]
    public async Task KIP290_What_is_allowed_implies_describing_and_a_denial_counts_more(sbyte pattern)
    {
        TestTopic topic = await TopicAsync();
        string name = pattern == Literal ? topic.Name : topic.Name[..^3];
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        await AddAsync(user, Topic, name, Write, pattern);
        await BecomesAsync(KafkaErrorCode.None, () => WritesAsync(client, topic));
        await BecomesAsync(KafkaErrorCode.None, () => DescribesAsync(client, topic));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await ReadsAsync(client, topic));

        await AddAsync(user, Topic, name, Read, pattern);
        await BecomesAsync(KafkaErrorCode.None, () => ReadsAsync(client, topic));
        await AddAsync(user, Topic, topic.Name, Write, Literal, Deny);
        await BecomesAsync(KafkaErrorCode.TopicAuthorizationFailed, () => WritesAsync(client, topic));
        Assert.Equal(KafkaErrorCode.None, await ReadsAsync(client, topic));
        await Client.AskAsync<DeleteAclsResponse>(new DeleteAclsRequest { Filters = [Filter(user, Topic, topic.Name, Literal, permission: Deny)] }, 3);
        await BecomesAsync(KafkaErrorCode.None, () => WritesAsync(client, topic));
    }

    [Fact]
    public async Task KIP11_Hosts_and_all_users()
    {
        TestTopic topic = await TopicAsync();
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        await AddAsync(user, Topic, topic.Name, Read, host: "192.0.2.1");
        await AddAsync("*", Topic, topic.Name, Write);
        await BecomesAsync(KafkaErrorCode.None, () => WritesAsync(client, topic));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await ReadsAsync(client, topic));
        await AddAsync(user, Topic, topic.Name, Read, host: "127.0.0.1");
        await BecomesAsync(KafkaErrorCode.None, () => ReadsAsync(client, topic));

        // Other tests' users are users too.
        await Client.AskAsync<DeleteAclsResponse>(new DeleteAclsRequest { Filters = [Filter("*", Topic, topic.Name, Any)] }, 3);
        await BecomesAsync(KafkaErrorCode.TopicAuthorizationFailed, () => WritesAsync(client, topic));
    }

    [Fact]
    public async Task KIP11_Topics_are_made_by_who_may_make_any_or_this_one()
    {
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        string own = Name();
        await AddAsync(user, Topic, own, Create);
        await BecomesAsync(KafkaErrorCode.None, () => CreatesAsync(client, own));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await CreatesAsync(client, Name()));
        await AddAsync(user, Cluster, ClusterName, Create);
        await BecomesAsync(KafkaErrorCode.None, () => CreatesAsync(client, Name()));
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await DeletesAsync(client, own));
        await AddAsync(user, Topic, own, Delete);
        await BecomesAsync(KafkaErrorCode.None, () => DeletesAsync(client, own));
    }

    [Fact]
    public async Task KIP11_Groups_transactional_ids_and_producers()
    {
        TestTopic topic = await TopicAsync();
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        string group = Name("group");
        await AddAsync(user, Group, group, Read);
        await BecomesAsync(KafkaErrorCode.None, () => FindsGroupAsync(client, group));
        Assert.Equal(KafkaErrorCode.GroupAuthorizationFailed, await FindsGroupAsync(client, Name("group")));

        // An entry for a topic says nothing of a transactional id of the same name.
        await AddAsync(user, Topic, topic.Name, Read);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, await InitializesAsync(client, null));
        Assert.Equal(KafkaErrorCode.TransactionalIdAuthorizationFailed, await InitializesAsync(client, topic.Name));
        await AddAsync(user, TransactionalId, topic.Name, Write);
        await Client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 1, CoordinatorKeys = [topic.Name] }, 4);
        await BecomesAsync(KafkaErrorCode.None, () => InitializesAsync(client, topic.Name));

        // KIP-679: who may write somewhere may do so idempotently.
        await AddAsync(user, Topic, topic.Name, Write);
        await BecomesAsync(KafkaErrorCode.None, () => InitializesAsync(client, null));
        await AddAsync(user, Topic, topic.Name[..^1], Write, Prefixed, Deny);
        await BecomesAsync(KafkaErrorCode.ClusterAuthorizationFailed, () => InitializesAsync(client, null));
        await AddAsync(user, Cluster, ClusterName, IdempotentWrite);
        await BecomesAsync(KafkaErrorCode.None, () => InitializesAsync(client, null));
    }

    [Fact]
    public async Task KIP430_Clients_are_told_what_they_may_do()
    {
        TestTopic topic = await TopicAsync();
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        await AddAsync(user, Topic, topic.Name, Write);
        await AddAsync(user, Topic, topic.Name, AlterConfigs);
        await EventuallyAsync(async () => await TopicOperationsAsync(client, topic) == Bits(Write, Describe, AlterConfigs, 10), "write, describe, alterConfigs and describeConfigs");
        await AddAsync(user, Topic, topic.Name, All);
        await EventuallyAsync(async () => await TopicOperationsAsync(client, topic) == Bits(Read, Write, Create, Delete, Alter, Describe, 10, AlterConfigs), "everything");
        MetadataResponse metadata = await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [], IncludeClusterAuthorizedOperations = true }, 10);
        Assert.Equal(0, metadata.ClusterAuthorizedOperations);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, (await client.AskAsync<DescribeQuorumResponse>(new DescribeQuorumRequest(), 2)).ErrorCode);
        await AddAsync(user, Cluster, ClusterName, Describe);
        await EventuallyAsync(
            async () => (await client.AskAsync<DescribeClusterResponse>(new DescribeClusterRequest { IncludeClusterAuthorizedOperations = true, EndpointType = 1 }, 1)).ClusterAuthorizedOperations == Bits(Describe),
            "describe the cluster");
        Assert.Equal(KafkaErrorCode.None, (await client.AskAsync<DescribeQuorumResponse>(new DescribeQuorumRequest(), 2)).ErrorCode);
    }

    [Fact]
    public async Task KIP11_Super_users_may_do_what_is_denied()
    {
        TestTopic topic = await TopicAsync();
        await AddAsync("guest", Topic, topic.Name, All, permission: Deny);
        RawClient client = await ConnectToLogInAsync();
        await client.PlainAsync("guest", "guest");
        Assert.Equal(KafkaErrorCode.None, await WritesAsync(client, topic));
    }

    [Fact]
    public async Task Sluices_permissions_hold_beside_the_entries_which_outlive_a_restart()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has no other permissions");
        await using BrokerProcess process = await BrokerProcess.StartAsync();
        Client = await ConnectAsync("127.0.0.1", process.KafkaPort);
        TestTopic topic = await TopicAsync();
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{process.AdminPort}/api/") };
        http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("guest:guest"u8));
        Assert.True((await http.PutAsync("users/ada", Json("""{"password":"lovelace","tags":""}"""))).IsSuccessStatusCode);
        Assert.True((await http.PutAsync("permissions/%2F/ada", Json("""{"configure":"","write":".*","read":".*"}"""))).IsSuccessStatusCode);
        RawClient ada = await LogInAsync(process);
        Assert.Equal(KafkaErrorCode.None, await WritesAsync(ada, topic));
        Assert.Equal(Bits(Read, Write, Describe, 10), await TopicOperationsAsync(ada, topic));
        await AddAsync("ada", Topic, topic.Name, Write, permission: Deny);
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await WritesAsync(ada, topic));
        Assert.Equal(KafkaErrorCode.None, await ReadsAsync(ada, topic));

        await process.StopAsync();
        await process.RestartAsync();
        ada = await LogInAsync(process);
        Assert.Equal(KafkaErrorCode.TopicAuthorizationFailed, await WritesAsync(ada, topic));
        Assert.Equal(KafkaErrorCode.None, await ReadsAsync(ada, topic));
        await using (RawClient administrator = await RawClient.ConnectAsync("127.0.0.1", process.KafkaPort))
        {
            await administrator.AskAsync<DeleteAclsResponse>(new DeleteAclsRequest { Filters = [Filter("ada", Topic, topic.Name, Any)] }, 3);
        }

        Assert.Equal(KafkaErrorCode.None, await WritesAsync(ada, topic));
        await process.StopAsync();
        await process.RestartAsync();
        ada = await LogInAsync(process);
        Assert.Equal(KafkaErrorCode.None, await WritesAsync(ada, topic));

        // Who is deleted is disconnected and does not come in again, also where entries name it.
        Client = await ConnectAsync("127.0.0.1", process.KafkaPort);
        await AddAsync("ada", Topic, topic.Name, Write);
        Assert.True((await http.DeleteAsync("users/ada")).IsSuccessStatusCode);
        await Assert.ThrowsAnyAsync<IOException>(() => WritesAsync(ada, topic));
        RawClient stranger = await ConnectAsync("127.0.0.1", process.KafkaPort);
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, (await stranger.ScramAsync(SaslMoves.Sha512, "ada", "lovelace")).ErrorCode);

        async Task<RawClient> LogInAsync(BrokerProcess broker)
        {
            RawClient client = await ConnectAsync("127.0.0.1", broker.KafkaPort);
            Assert.Equal(KafkaErrorCode.None, (await client.ScramAsync(SaslMoves.Sha512, "ada", "lovelace")).ErrorCode);
            return client;
        }

        static StringContent Json(string text) => new(text, System.Text.Encoding.UTF8, "application/json");
    }

    [Fact]
    public async Task Who_may_configure_everything_does_not_manage_users()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has no other permissions");
        await using BrokerProcess process = await BrokerProcess.StartAsync();
        Client = await ConnectAsync("127.0.0.1", process.KafkaPort);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{process.AdminPort}/api/") };
        http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("guest:guest"u8));
        foreach ((string path, string json) in new[] { ("users/eve", """{"password":"apple","tags":""}"""), ("permissions/%2F/eve", """{"configure":".*","write":".*","read":".*"}""") })
        {
            Assert.True((await http.PutAsync(path, new StringContent(json, System.Text.Encoding.UTF8, "application/json"))).IsSuccessStatusCode);
        }

        RawClient eve = await ConnectAsync("127.0.0.1", process.KafkaPort);
        Assert.Equal(KafkaErrorCode.None, (await eve.ScramAsync(SaslMoves.Sha512, "eve", "apple")).ErrorCode);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, await CreatesAsync());
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, (await eve.AskAsync<DeleteAclsResponse>(new DeleteAclsRequest { Filters = [Filter("eve", Topic, null, Any)] }, 3)).FilterResults[0].ErrorCode);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, await SetsPasswordAsync("guest"));
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, await SetsPasswordAsync("eve"));

        await AddAsync("eve", Cluster, ClusterName, Alter);
        Assert.Equal(KafkaErrorCode.None, await CreatesAsync());
        Assert.Equal(KafkaErrorCode.None, await SetsPasswordAsync("eve"));
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, await SetsPasswordAsync("guest"));

        async Task<KafkaErrorCode> CreatesAsync() =>
            (await eve.AskAsync<CreateAclsResponse>(new CreateAclsRequest { Creations = [Entry("eve", Topic, "mine", All)] }, 3)).Results[0].ErrorCode;

        async Task<KafkaErrorCode> SetsPasswordAsync(string user) => (await eve.AskAsync<AlterUserScramCredentialsResponse>(
            new AlterUserScramCredentialsRequest { Upsertions = [new AlterUserScramCredentialsRequest.ScramCredentialUpsertion { Name = user, Mechanism = 2, Iterations = 4096, Salt = new byte[16], SaltedPassword = new byte[64] }] },
            0)).Results[0].ErrorCode;
    }

    private static int Bits(params sbyte[] operations) => operations.Aggregate(0, static (bits, operation) => bits | (1 << operation));

    private static List<string> Sorted(params string[] lines) => [.. lines.Order(StringComparer.Ordinal)];

    private static CreateAclsRequest.AclCreation Entry(string user, sbyte type, string name, sbyte operation, sbyte pattern = Literal, sbyte permission = Allow, string host = "*") =>
        new() { ResourceType = type, ResourceName = name, ResourcePatternType = pattern, Principal = $"User:{user}", Host = host, Operation = operation, PermissionType = permission };

    private static DeleteAclsRequest.DeleteAclsFilter Filter(string user, sbyte type, string? name, sbyte pattern, sbyte permission = Any) => new()
    {
        ResourceTypeFilter = type, ResourceNameFilter = name, PatternTypeFilter = pattern, PrincipalFilter = $"User:{user}", HostFilter = null, Operation = Any, PermissionType = permission,
    };

    private async Task AddAsync(string user, sbyte type, string name, sbyte operation, sbyte pattern = Literal, sbyte permission = Allow, string host = "*")
    {
        CreateAclsResponse response = await Client.AskAsync<CreateAclsResponse>(new CreateAclsRequest { Creations = [Entry(user, type, name, operation, pattern, permission, host)] }, 3);
        Assert.Equal(KafkaErrorCode.None, Assert.Single(response.Results).ErrorCode);
    }

    private async Task<List<string>> FindAsync(string user, sbyte type, string? name, sbyte pattern, sbyte operation = Any, sbyte permission = Any, string? host = null)
    {
        DescribeAclsResponse response = await Client.AskAsync<DescribeAclsResponse>(
            new DescribeAclsRequest { ResourceTypeFilter = type, ResourceNameFilter = name, PatternTypeFilter = pattern, PrincipalFilter = $"User:{user}", HostFilter = host, Operation = operation, PermissionType = permission },
            3);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return Sorted([.. response.Resources.SelectMany(static resource => resource.Acls.Select(acl => $"{resource.ResourceType}/{resource.PatternType} {resource.ResourceName}: {acl.Principal} {acl.Host} {acl.Operation}/{acl.PermissionType}"))]);
    }

    /// <summary>Kafka's brokers hear of changes a little later.</summary>
    private static Task BecomesAsync(KafkaErrorCode expected, Func<Task<KafkaErrorCode>> ask) => EventuallyAsync(async () => await ask() == expected, $"{expected}");

    private static async Task<KafkaErrorCode> DescribesAsync(RawClient client, TestTopic topic) =>
        Assert.Single((await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { Name = topic.Name }] }, 12)).Topics).ErrorCode;

    private static async Task<KafkaErrorCode> WritesAsync(RawClient client, TestTopic topic) =>
        Assert.Single(Assert.Single((await client.AskAsync<ProduceResponse>(Produce(topic, 1, (0, BatchBuilder.Of("x"))), 13)).Responses).PartitionResponses).ErrorCode;

    private static async Task<KafkaErrorCode> ReadsAsync(RawClient client, TestTopic topic) =>
        Assert.Single(Assert.Single((await client.AskAsync<FetchResponse>(Fetch(topic, (0, 0L)), 12)).Responses).Partitions).ErrorCode;

    private static async Task<KafkaErrorCode> CreatesAsync(RawClient client, string topic) => Assert.Single((await client.AskAsync<CreateTopicsResponse>(
        new CreateTopicsRequest { Topics = [new CreateTopicsRequest.CreatableTopic { Name = topic, NumPartitions = 1, ReplicationFactor = 1 }], TimeoutMs = 10_000 },
        7)).Topics).ErrorCode;

    private static async Task<KafkaErrorCode> DeletesAsync(RawClient client, string topic) => Assert.Single((await client.AskAsync<DeleteTopicsResponse>(
        new DeleteTopicsRequest { Topics = [new DeleteTopicsRequest.DeleteTopicState { Name = topic }], TimeoutMs = 10_000 },
        6)).Responses).ErrorCode;

    private static async Task<KafkaErrorCode> FindsGroupAsync(RawClient client, string group) =>
        Assert.Single((await client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 0, CoordinatorKeys = [group] }, 4)).Coordinators).ErrorCode is var error && error == KafkaErrorCode.CoordinatorNotAvailable
            ? KafkaErrorCode.None // Kafka makes its topic of offsets first.
            : error;

    private static async Task<KafkaErrorCode> InitializesAsync(RawClient client, string? id) =>
        (await client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = id, TransactionTimeoutMs = 10_000 }, 5)).ErrorCode;

    private static async Task<int> TopicOperationsAsync(RawClient client, TestTopic topic) => Assert.Single((await client.AskAsync<MetadataResponse>(
        new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { Name = topic.Name }], IncludeTopicAuthorizedOperations = true },
        12)).Topics).TopicAuthorizedOperations;
}

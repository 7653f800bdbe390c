using Sluice.Base.Buffers;
using Sluice.Client.Administering;
using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client;

/// <summary>Makes, changes and deletes topics, and keeps the access list. Each call is one request, and fails with what the broker says. Thread-safe.</summary>
public sealed class KafkaAdmin : IAsyncDisposable
{
    /// <summary>As many as the broker makes by itself.</summary>
    private const int BrokersDefault = -1;

    private const sbyte TopicResource = 2, SetOperation = 0, DeleteOperation = 1;

    /// <summary>In a filter: may be anything.</summary>
    private const sbyte Any = 1;

    private readonly int _timeoutMs;
    private readonly NodePool _nodes;

    /// <summary>Makes a client; it connects when it is first used.</summary>
    /// <param name="options">How it works.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public KafkaAdmin(AdminOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _timeoutMs = (int)Math.Min(int.MaxValue, options.RequestTimeout.TotalMilliseconds);
        _nodes = new NodePool(options, new BufferPool());
    }

    /// <summary>Makes a topic.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="partitions">How many partitions; null: as many as the broker makes by itself.</param>
    /// <param name="config">What is set of its configuration; null: nothing.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>How many partitions it has; null if the broker does not tell.</returns>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task<int?> CreateTopicAsync(string name, int? partitions = null, IReadOnlyDictionary<string, string>? config = null, CancellationToken cancel = default)
    {
        var topic = new CreateTopicsRequest.CreatableTopic
        {
            Name = name,
            NumPartitions = partitions ?? BrokersDefault,
            ReplicationFactor = BrokersDefault,
            Configs = [.. (config ?? new Dictionary<string, string>()).Select(static setting => new CreateTopicsRequest.CreatableTopicConfig { Name = setting.Key, Value = setting.Value })],
        };
        CreateTopicsResponse response = await AskAsync<CreateTopicsResponse>(ApiUse.CreateTopics, new CreateTopicsRequest { Topics = [topic], TimeoutMs = _timeoutMs }, cancel).ConfigureAwait(false);
        CreateTopicsResponse.CreatableTopicResult result = Only(response.Topics, ApiUse.CreateTopics);
        ThrowIf(result.ErrorCode, $"Making the topic '{name}'", result.ErrorMessage);
        return result.NumPartitions > 0 ? result.NumPartitions : partitions;
    }

    /// <summary>Deletes a topic with its records.</summary>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task DeleteTopicAsync(string name, CancellationToken cancel = default)
    {
        DeleteTopicsResponse response = await AskAsync<DeleteTopicsResponse>(ApiUse.DeleteTopics, new DeleteTopicsRequest { TopicNames = [name], TimeoutMs = _timeoutMs }, cancel).ConfigureAwait(false);
        DeleteTopicsResponse.DeletableTopicResult result = Only(response.Responses, ApiUse.DeleteTopics);
        ThrowIf(result.ErrorCode, $"Deleting the topic '{name}'", result.ErrorMessage);
    }

    /// <summary>Gives a topic more partitions.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="count">How many it is to have.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task AddPartitionsAsync(string name, int count, CancellationToken cancel = default)
    {
        var request = new CreatePartitionsRequest { Topics = [new CreatePartitionsRequest.CreatePartitionsTopic { Name = name, Count = count, Assignments = null }], TimeoutMs = _timeoutMs };
        CreatePartitionsResponse response = await AskAsync<CreatePartitionsResponse>(ApiUse.CreatePartitions, request, cancel).ConfigureAwait(false);
        CreatePartitionsResponse.CreatePartitionsTopicResult result = Only(response.Results, ApiUse.CreatePartitions);
        ThrowIf(result.ErrorCode, $"Giving the topic '{name}' {count} partitions", result.ErrorMessage);
    }

    /// <summary>Changes a topic's configuration; what is not named stays.</summary>
    /// <param name="name">Of the topic.</param>
    /// <param name="changes">New values by their keys; null: the default.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task ConfigureTopicAsync(string name, IReadOnlyDictionary<string, string?> changes, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var resource = new IncrementalAlterConfigsRequest.AlterConfigsResource
        {
            ResourceType = TopicResource,
            ResourceName = name,
            Configs = [.. changes.Select(static change => new IncrementalAlterConfigsRequest.AlterableConfig { Name = change.Key, ConfigOperation = change.Value is null ? DeleteOperation : SetOperation, Value = change.Value })],
        };
        IncrementalAlterConfigsResponse response = await AskAsync<IncrementalAlterConfigsResponse>(ApiUse.IncrementalAlterConfigs, new IncrementalAlterConfigsRequest { Resources = [resource] }, cancel).ConfigureAwait(false);
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse result = Only(response.Responses, ApiUse.IncrementalAlterConfigs);
        ThrowIf(result.ErrorCode, $"Configuring the topic '{name}'", result.ErrorMessage);
    }

    /// <summary>The entries of the access list that are meant.</summary>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task<IReadOnlyList<AclEntry>> ListAclsAsync(AclFilter filter, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var request = new DescribeAclsRequest
        {
            ResourceTypeFilter = Code(filter.Resource),
            ResourceNameFilter = filter.Name,
            PatternTypeFilter = Code(filter.Pattern),
            PrincipalFilter = filter.Principal,
            HostFilter = filter.Host,
            Operation = Code(filter.Operation),
            PermissionType = Code(filter.Permission),
        };
        DescribeAclsResponse response = await AskAsync<DescribeAclsResponse>(ApiUse.DescribeAcls, request, cancel).ConfigureAwait(false);
        ThrowIf(response.ErrorCode, "Asking for the access list", response.ErrorMessage);
        return
        [
            .. response.Resources.SelectMany(static resource => resource.Acls.Select(acl => new AclEntry(
                (AclResourceType)resource.ResourceType, (AclPatternType)resource.PatternType, resource.ResourceName, acl.Principal, acl.Host, (AclOperation)acl.Operation, (AclPermission)acl.PermissionType))),
        ];
    }

    /// <summary>Adds an entry to the access list; nothing changes if it is there.</summary>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task AddAclAsync(AclEntry entry, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var creation = new CreateAclsRequest.AclCreation
        {
            ResourceType = (sbyte)entry.Resource,
            ResourceName = entry.Name,
            ResourcePatternType = (sbyte)entry.Pattern,
            Principal = entry.Principal,
            Host = entry.Host,
            Operation = (sbyte)entry.Operation,
            PermissionType = (sbyte)entry.Permission,
        };
        CreateAclsResponse response = await AskAsync<CreateAclsResponse>(ApiUse.CreateAcls, new CreateAclsRequest { Creations = [creation] }, cancel).ConfigureAwait(false);
        CreateAclsResponse.AclCreationResult result = Only(response.Results, ApiUse.CreateAcls);
        ThrowIf(result.ErrorCode, "Adding to the access list", result.ErrorMessage);
    }

    /// <summary>Takes the entries that are meant out of the access list, and returns how many there were.</summary>
    /// <exception cref="KafkaClientException">The broker refuses, or is not reached.</exception>
    public async Task<int> RemoveAclsAsync(AclFilter filter, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var meant = new DeleteAclsRequest.DeleteAclsFilter
        {
            ResourceTypeFilter = Code(filter.Resource),
            ResourceNameFilter = filter.Name,
            PatternTypeFilter = Code(filter.Pattern),
            PrincipalFilter = filter.Principal,
            HostFilter = filter.Host,
            Operation = Code(filter.Operation),
            PermissionType = Code(filter.Permission),
        };
        DeleteAclsResponse response = await AskAsync<DeleteAclsResponse>(ApiUse.DeleteAcls, new DeleteAclsRequest { Filters = [meant] }, cancel).ConfigureAwait(false);
        DeleteAclsResponse.DeleteAclsFilterResult result = Only(response.FilterResults, ApiUse.DeleteAcls);
        ThrowIf(result.ErrorCode, "Removing from the access list", result.ErrorMessage);
        foreach (DeleteAclsResponse.DeleteAclsMatchingAcl one in result.MatchingAcls)
        {
            ThrowIf(one.ErrorCode, "Removing from the access list", one.ErrorMessage);
        }

        return result.MatchingAcls.Length;
    }

    /// <summary>Closes all connections.</summary>
    public ValueTask DisposeAsync() => _nodes.DisposeAsync();

    private static sbyte Code<T>(T? value)
        where T : struct, Enum => value is { } known ? Convert.ToSByte(known, System.Globalization.CultureInfo.InvariantCulture) : Any;

    private static T Only<T>(T[] results, ApiUse use) => results is [var one] ? one : throw new KafkaClientException($"The broker's answer to {use.Api.Name} has {results.Length} results; one was asked for.");

    private static void ThrowIf(KafkaErrorCode code, string doing, string? detail)
    {
        if (code != KafkaErrorCode.None)
        {
            throw KafkaClientException.Of(code, doing, string.IsNullOrEmpty(detail) ? code.Explanation() : detail);
        }
    }

    private async Task<TResponse> AskAsync<TResponse>(ApiUse use, IKafkaMessage request, CancellationToken cancel)
        where TResponse : IKafkaMessage, new()
    {
        KafkaConnection connection = await _nodes.GetLeastLoadedAsync(cancel).ConfigureAwait(false);
        return await connection.AskAsync<TResponse>(use, request, cancel: cancel).ConfigureAwait(false);
    }
}

using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Connections;

/// <summary>What a coordinator coordinates.</summary>
internal enum CoordinatorKind : sbyte
{
    Group = 0,
    Transaction = 1,
}

/// <summary>Finds the coordinator of a group or a transactional id, and asks it. Thread-safe.</summary>
internal sealed class CoordinatorClient(KafkaClientOptions options, NodePool nodes, CoordinatorKind kind, string key)
{
    /// <summary>The end of the transaction before is usually a matter of milliseconds.</summary>
    private static readonly TimeSpan TransactionPause = TimeSpan.FromMilliseconds(20);

    private int _nodeId = -1;

    /// <summary>Asks the coordinator once.</summary>
    /// <exception cref="KafkaClientException">It is not found or not reached.</exception>
    public async Task<TResponse> AskAsync<TResponse>(ApiUse use, IKafkaMessage request, TimeSpan extra, CancellationToken cancel)
        where TResponse : IKafkaMessage, new()
    {
        try
        {
            KafkaConnection connection = await GetAsync(cancel).ConfigureAwait(false);
            return await connection.AskAsync<TResponse>(use, request, extra, cancel).ConfigureAwait(false);
        }
        catch (KafkaClientException error) when (error.ErrorCode.IsStaleCoordinator())
        {
            Forget();
            throw;
        }
    }

    /// <summary>
    /// Asks until the answer is not that another coordinator should be asked, or the same one later; for at most <see cref="KafkaClientOptions.MaxBlock"/>.
    /// </summary>
    /// <param name="use">The API.</param>
    /// <param name="request">Sent again and again, as it is.</param>
    /// <param name="errorOf">The error in an answer that decides whether to go on.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="KafkaClientException">No answer within the time, or none of the kind to be had.</exception>
    public async Task<TResponse> AskUntilAnsweredAsync<TResponse>(ApiUse use, IKafkaMessage request, Func<TResponse, KafkaErrorCode> errorOf, CancellationToken cancel)
        where TResponse : IKafkaMessage, new()
    {
        long begin = options.Time.GetTimestamp();
        for (int failures = 1; ; failures++)
        {
            KafkaClientException failure;
            try
            {
                TResponse response = await AskAsync<TResponse>(use, request, TimeSpan.Zero, cancel).ConfigureAwait(false);
                KafkaErrorCode code = errorOf(response);
                if (!code.IsRetriable())
                {
                    return response;
                }

                if (code.IsStaleCoordinator())
                {
                    Forget();
                }

                failure = KafkaClientException.Of(code, use.Api.Name);
            }
            catch (KafkaClientException error) when (error.IsRetriable)
            {
                failure = error;
            }

            if (options.Time.GetElapsedTime(begin) > options.MaxBlock)
            {
                throw new KafkaClientException(failure.ErrorCode, $"{use.Api.Name} had no answer in {options.MaxBlock.TotalSeconds:0.###} s. Last trouble: {failure.Message}", failure);
            }

            await Task.Delay(failure.ErrorCode == KafkaErrorCode.ConcurrentTransactions ? TransactionPause : options.Backoff(failures), options.Time, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>The coordinator is another one.</summary>
    public void Forget() => Volatile.Write(ref _nodeId, -1);

    /// <summary>A connection to it.</summary>
    public async Task<KafkaConnection> GetAsync(CancellationToken cancel)
    {
        int nodeId = Volatile.Read(ref _nodeId);
        if (nodeId < 0)
        {
            nodeId = await FindAsync(cancel).ConfigureAwait(false);
            Volatile.Write(ref _nodeId, nodeId);
        }

        return await nodes.GetAsync(nodeId, ConnectionPurpose.Coordinator, cancel).ConfigureAwait(false);
    }

    private async Task<int> FindAsync(CancellationToken cancel)
    {
        KafkaConnection connection = await nodes.GetLeastLoadedAsync(cancel).ConfigureAwait(false);
        var request = new FindCoordinatorRequest { Key = key, KeyType = (sbyte)kind };
        FindCoordinatorResponse response = await connection.AskAsync<FindCoordinatorResponse>(ApiUse.FindCoordinator, request, cancel: cancel).ConfigureAwait(false);
        if (response.ErrorCode != KafkaErrorCode.None)
        {
            throw KafkaClientException.Of(response.ErrorCode, $"Looking for the coordinator of '{key}'", response.ErrorMessage);
        }

        nodes.Add(response.NodeId, new BrokerAddress(response.Host, response.Port));
        return response.NodeId;
    }
}

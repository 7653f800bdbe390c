using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/queues and /api/consumers.</summary>
internal static class QueueHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/queues", Role.Management, All);
        routes.Get("api/queues/{vhost}", Role.Management, OfVirtualHost);
        routes.Get("api/queues/{vhost}/{queue}", Role.Management, One);
        routes.Put("api/queues/{vhost}/{queue}", Role.Management, Put);
        routes.Delete("api/queues/{vhost}/{queue}", Role.Management, Delete);
        routes.Delete("api/queues/{vhost}/{queue}/contents", Role.Management, Purge);
        routes.Get("api/consumers", Role.Management, AllConsumers);
        routes.Get("api/consumers/{vhost}", Role.Management, ConsumersOfVirtualHost);
    }

    /// <summary>The queue that the path names; 404 if there is none. An exclusive one may be looked at, but not used.</summary>
    public static MessageQueue Find(AdminRequest request, VirtualHost host)
    {
        BrokerResult<MessageQueue> found = host.FindQueue(request["queue"], owner: null);
        return found.Status == BrokerStatus.Locked
            ? host.ListQueues().First(queue => queue.Name == request["queue"])
            : AdminException.ValueOf(found);
    }

    /// <summary>The queues that lists show: partitions of the broker's own topics only with internal=true.</summary>
    public static IEnumerable<MessageQueue> Listed(AdminRequest request, VirtualHost host) =>
        request.HasSwitch("internal") ? host.ListQueues() : host.ListQueues().Where(static queue => !queue.IsInternal);

    private static Task All(AdminRequest request) => request.ReplyListAsync(
        request.VisibleVirtualHosts().SelectMany(host => Listed(request, host).Select(queue => Model(request, host, queue))), AdminJson.Default.QueueModel);

    private static Task OfVirtualHost(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        return request.ReplyListAsync(Listed(request, host).Select(queue => Model(request, host, queue)), AdminJson.Default.QueueModel);
    }

    private static Task One(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        MessageQueue queue = Find(request, host);
        return request.ReplyAsync(Model(request, host, queue) with { ConsumerDetails = [.. Consumers(host, queue)] }, AdminJson.Default.QueueModel);
    }

    private static async Task Put(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string name = request["queue"];
        JsonBody body = await request.ReadBodyAsync("node", "durable", "auto_delete", "arguments").ConfigureAwait(false);
        QueueDefinition definition = new(name, body.Flag("durable"), Exclusive: false, body.Flag("auto_delete"), body.Arguments("arguments"));
        bool isNew = host.FindQueue(name, owner: null).Status == BrokerStatus.NotFound;
        request.Require(Access.Configure, "queue", host.Name, name);
        if (isNew && definition.Arguments["x-dead-letter-exchange"] is string deadLetterExchange)
        {
            request.Require(Access.Read, "queue", host.Name, name);
            request.Require(Access.Write, "exchange", host.Name, deadLetterExchange);
        }

        AdminException.ValueOf(await host.DeclareQueueAsync(definition, owner: null).ConfigureAwait(false));
        await request.Put(isNew).ConfigureAwait(false);
    }

    private static async Task Delete(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string name = request["queue"];
        request.Require(Access.Configure, "queue", host.Name, name);
        AdminException.ValueOf(await host.DeleteQueueAsync(name, request.HasSwitch("if-unused"), request.HasSwitch("if-empty"), owner: null, request.User.Name).ConfigureAwait(false));
        await request.NoContent().ConfigureAwait(false);
    }

    private static Task Purge(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        request.Require(Access.Read, "queue", host.Name, request["queue"]);
        MessageQueue queue = AdminException.ValueOf(host.FindQueue(request["queue"], owner: null));
        if (queue.Settings.Kind == QueueKind.Stream)
        {
            throw AdminException.BadRequest($"queue '{queue.Name}' is a stream: it cannot be purged, only trimmed by its retention");
        }

        queue.Purge();
        return request.NoContent();
    }

    private static Task AllConsumers(AdminRequest request) => request.ReplyListAsync(
        request.VisibleVirtualHosts().SelectMany(host => host.ListQueues().SelectMany(queue => Consumers(host, queue))), AdminJson.Default.ConsumerModel);

    private static Task ConsumersOfVirtualHost(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        return request.ReplyListAsync(host.ListQueues().SelectMany(queue => Consumers(host, queue)), AdminJson.Default.ConsumerModel);
    }

    private static QueueModel Model(AdminRequest request, VirtualHost host, MessageQueue queue)
    {
        QueueDefinition definition = queue.Definition;
        QueueSettings settings = queue.Settings;
        long ready = queue.ReadyCount;
        long unsettled = queue.UnsettledCount;
        return new QueueModel(
            queue.Name,
            host.Name,
            request.Context.NodeName,
            settings.Kind.ToString().ToLowerInvariant(),
            queue.IsOpen ? "running" : "stopped",
            definition.Durable,
            definition.AutoDelete,
            definition.Exclusive,
            definition.Arguments,
            settings.Policy,
            settings.OperatorPolicy,
            PolicyHandler.Effective(host, settings),
            ready + unsettled,
            ready,
            unsettled,
            queue.ConsumerCount);
    }

    private static IEnumerable<ConsumerModel> Consumers(VirtualHost host, MessageQueue queue)
    {
        IReadOnlyList<Consumer> consumers = queue.Consumers;
        Consumer? active = queue.ActiveConsumer;
        return consumers.Select(consumer => new ConsumerModel(
            consumer.Tag,
            !consumer.AutoSettle,
            consumer.Exclusive,
            Active: !queue.Settings.SingleActiveConsumer || ReferenceEquals(consumer, active),
            consumer.Priority,
            new QueueReference(queue.Name, host.Name),
            new ChannelReference(consumer.Owner.ToString() ?? "", consumer.Description)));
    }
}

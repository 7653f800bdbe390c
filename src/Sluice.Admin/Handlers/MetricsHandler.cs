using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Sluice.Admin.Http;
using Sluice.Admin.Metrics;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/metrics in Prometheus' text format. By query: per-object=true adds a line for each queue and topic; clients=true (monitoring) what Kafka clients tell of themselves; collect=true (administrators) runs a garbage collection first, so that the heap's size is what lives.</summary>
internal static class MetricsHandler
{
    public static void Map(Routes routes) => routes.Get("metrics", Role.Management, Write);

    private static Task Write(AdminRequest request)
    {
        if (request.HasSwitch("collect"))
        {
            if (!request.User.IsAdministrator)
            {
                throw AdminException.NotAuthorised("Not administrator user");
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
        }

        MetricsText text = new();
        WriteBroker(request, text);
        WriteKafka(request, text);
        WriteProcess(request.Context, text);
        if (request.HasSwitch("clients"))
        {
            ClientMetricsText.Write(request.IsMonitor ? request.Context.ClientMetrics() : throw AdminException.NotAuthorised("Not monitoring user"), text);
        }

        request.Http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return request.Http.Response.WriteAsync(text.ToString());
    }

    private static void WriteBroker(AdminRequest request, MetricsText text)
    {
        VirtualHost[] hosts = [.. request.VisibleVirtualHosts()];
        (string Host, (long Ready, long Unacknowledged, int Queues, int Consumers) Of)[] totals = [.. hosts.Select(host => (host.Name, VirtualHostHandler.Totals(host)))];
        text.Family("sluice_queues", "gauge", "Queues.");
        Array.ForEach(totals, total => text.Value("sluice_queues", total.Of.Queues, ("vhost", total.Host)));
        text.Family("sluice_consumers", "gauge", "Consumers.");
        Array.ForEach(totals, total => text.Value("sluice_consumers", total.Of.Consumers, ("vhost", total.Host)));
        text.Family("sluice_messages_ready", "gauge", "Messages waiting in queues.");
        Array.ForEach(totals, total => text.Value("sluice_messages_ready", total.Of.Ready, ("vhost", total.Host)));
        text.Family("sluice_messages_unacknowledged", "gauge", "Messages delivered and not acknowledged.");
        Array.ForEach(totals, total => text.Value("sluice_messages_unacknowledged", total.Of.Unacknowledged, ("vhost", total.Host)));
        IReadOnlyList<ConnectionInfo> connections = ConnectionHandler.Visible(request);
        text.Family("sluice_connections", "gauge", "Client connections.");
        foreach ((string protocol, int count) in ConnectionHandler.CountByProtocol(request, connections))
        {
            text.Value("sluice_connections", count, ("protocol", protocol));
        }

        text.Single("sluice_channels", "gauge", "Channels on them.", connections.Sum(connection => connection.Channels.Count));
        (string Host, (int Topics, int Partitions) Of)[] topics = [.. hosts.Select(static host => (host.Name, TopicHandler.Totals(host)))];
        text.Family("sluice_topics", "gauge", "Topics and streams.");
        Array.ForEach(topics, entry => text.Value("sluice_topics", entry.Of.Topics, ("vhost", entry.Host)));
        text.Family("sluice_partitions", "gauge", "Partitions of them.");
        Array.ForEach(topics, entry => text.Value("sluice_partitions", entry.Of.Partitions, ("vhost", entry.Host)));
        if (request.HasSwitch("per-object"))
        {
            WriteQueues(request, hosts, text);
            WriteTopics(request, hosts, text);
        }
    }

    /// <summary>For who sees the virtual host in which Kafka clients work, as with the figures of queues and topics; who sees all of them does so also if it is not there. Nothing of groups while it can't be told: what else there is must not be missing then.</summary>
    private static void WriteKafka(AdminRequest request, MetricsText text)
    {
        if (request.Context.Groups is not { } groups || !(request.IsMonitor || GroupHandler.IsVisible(request)))
        {
            return;
        }

        if (groups.List() is { IsOk: true, Value: { } listed })
        {
            GroupMetricsText.Write(listed, text);
        }

        foreach (MetricFamily family in request.Context.KafkaMetrics())
        {
            text.Write(family);
        }
    }

    private static void WriteTopics(AdminRequest request, VirtualHost[] hosts, MetricsText text)
    {
        Topic[] topics = [.. hosts.SelectMany(host => TopicHandler.Listed(request, host))];
        text.Family("sluice_topic_messages", "gauge", "Messages of the topic, counted by their offsets.");
        Array.ForEach(topics, topic => text.Value("sluice_topic_messages", TopicHandler.Messages(topic), ("vhost", topic.Host.Name), ("topic", topic.Name)));
        text.Family("sluice_topic_bytes", "gauge", "Bytes that the topic keeps.");
        Array.ForEach(topics, topic => text.Value("sluice_topic_bytes", topic.Partitions.Sum(static partition => partition.Bytes), ("vhost", topic.Host.Name), ("topic", topic.Name)));
        text.Family("sluice_topic_appended_total", "counter", "Offsets that the topic's partitions have given out since it was made.");
        Array.ForEach(topics, topic => text.Value("sluice_topic_appended_total", topic.Partitions.Sum(static partition => partition.EndOffset), ("vhost", topic.Host.Name), ("topic", topic.Name)));
    }

    private static void WriteQueues(AdminRequest request, VirtualHost[] hosts, MetricsText text)
    {
        var queues = hosts.SelectMany(host => QueueHandler.Listed(request, host).Select(queue => (Host: host.Name, Queue: queue))).ToArray();
        text.Family("sluice_queue_messages_ready", "gauge", "Messages waiting in the queue.");
        Array.ForEach(queues, entry => text.Value("sluice_queue_messages_ready", entry.Queue.ReadyCount, ("vhost", entry.Host), ("queue", entry.Queue.Name)));
        text.Family("sluice_queue_messages_unacknowledged", "gauge", "Messages of the queue delivered and not acknowledged.");
        Array.ForEach(queues, entry => text.Value("sluice_queue_messages_unacknowledged", entry.Queue.UnsettledCount, ("vhost", entry.Host), ("queue", entry.Queue.Name)));
        text.Family("sluice_queue_consumers", "gauge", "Consumers of the queue.");
        Array.ForEach(queues, entry => text.Value("sluice_queue_consumers", entry.Queue.ConsumerCount, ("vhost", entry.Host), ("queue", entry.Queue.Name)));
    }

    private static void WriteProcess(AdminContext context, MetricsText text)
    {
        MessageBroker broker = context.Broker;
        using Process process = Process.GetCurrentProcess();
        text.Single("sluice_publishers_blocked", "gauge", "1 while publishers are held back by a watermark.", broker.BlockedReason is null ? 0 : 1);
        text.Family("sluice_logins_refused_total", "counter", "Logins that were refused, and clients that do not log in, by all protocols.");
        foreach (LoginRefusal reason in Enum.GetValues<LoginRefusal>().Where(static reason => reason != LoginRefusal.None))
        {
            text.Value("sluice_logins_refused_total", context.Authenticator.CountRefused(reason), ("reason", reason.ToString()));
        }

        text.Single("sluice_storage_failed", "gauge", "1 once the journal has failed.", broker.Store.Failure is null ? 0 : 1);
        text.Single("sluice_disk_free_bytes", "gauge", "Free bytes where the data directory is.", broker.Store.FreeDiskBytes);
        text.Single("sluice_log_tail_bytes", "gauge", "Bytes of log tails held in memory.", broker.Store.TailBytes);
        text.Single("sluice_journal_backlog_bytes", "gauge", "Bytes waiting to be written to the journal.", broker.Store.JournalBacklogBytes);
        text.Single("sluice_managed_heap_bytes", "gauge", "Bytes on the managed heap.", GC.GetTotalMemory(forceFullCollection: false));
        text.Single("sluice_gc_pause_seconds_total", "counter", "Time that garbage collection has stopped the process.", GC.GetTotalPauseDuration().TotalSeconds);
        text.Single("process_resident_memory_bytes", "gauge", "Resident memory.", process.WorkingSet64);
        text.Single("process_cpu_seconds_total", "counter", "CPU time, user and system.", Environment.CpuUsage.TotalTime.TotalSeconds);
        text.Single("process_start_time_seconds", "gauge", "Start of the process, Unix time.", context.StartedAt.ToUnixTimeMilliseconds() / 1000.0);
    }
}

using System.Security.Cryptography;
using System.Text;

namespace Sluice.Broker.Definitions;

/// <summary>
/// The keys of a broker's names in the metadata store. Names are escaped so that they hold no '/'; the values hold them as they are.
/// <code>
/// vhosts/{vhost}                                                           the virtual host itself
/// vhost/{vhost}/queue/{name}                                               QueueDefinition and its logs
/// vhost/{vhost}/topic/{name}                                               TopicDefinition and the logs of its partitions
/// vhost/{vhost}/exchange/{name}                                            ExchangeDefinition
/// vhost/{vhost}/binding/{source}/{q|e}/{destination}/{key}/{arguments}     BindingDefinition; {arguments}: a fingerprint, '-' for none
/// vhost/{vhost}/policy/user/{name}                                         PolicyDefinition
/// vhost/{vhost}/policy/operator/{name}                                     PolicyDefinition
/// vhost/{vhost}/delay                                                      the logs that hold delayed messages (DelayStore)
/// </code>
/// </summary>
public static class MetadataKeys
{
    /// <summary>Prefix of the virtual hosts themselves.</summary>
    public const string VirtualHosts = "vhosts/";

    public static string VirtualHost(string virtualHost) => VirtualHosts + Escape(virtualHost);

    /// <summary>The name in a key of <see cref="VirtualHost"/>.</summary>
    public static string ReadVirtualHost(string key) => Unescape(key[VirtualHosts.Length..]);

    /// <summary>Prefix of all that belongs to a virtual host, but not the host itself.</summary>
    public static string AllOf(string virtualHost) => $"vhost/{Escape(virtualHost)}/";

    public static string Queues(string virtualHost) => $"{AllOf(virtualHost)}queue/";

    public static string Queue(string virtualHost, string name) => Queues(virtualHost) + Escape(name);

    public static string Topics(string virtualHost) => $"{AllOf(virtualHost)}topic/";

    public static string Topic(string virtualHost, string name) => Topics(virtualHost) + Escape(name);

    public static string Exchanges(string virtualHost) => $"{AllOf(virtualHost)}exchange/";

    public static string Exchange(string virtualHost, string name) => Exchanges(virtualHost) + Escape(name);

    public static string Bindings(string virtualHost) => $"{AllOf(virtualHost)}binding/";

    /// <summary>Prefix of the bindings of one source exchange.</summary>
    public static string Bindings(string virtualHost, string source) => $"{Bindings(virtualHost)}{Escape(source)}/";

    public static string Binding(string virtualHost, string source, DestinationKind kind, string destination, string routingKey, Arguments arguments) =>
        $"{Bindings(virtualHost, source)}{(kind == DestinationKind.Exchange ? 'e' : 'q')}/{Escape(destination)}/{Escape(routingKey)}/{Fingerprint(arguments)}";

    /// <summary>Prefix of policies of both classes.</summary>
    public static string Policies(string virtualHost) => $"{AllOf(virtualHost)}policy/";

    public static string Policy(string virtualHost, string name, bool isOperator) => $"{Policies(virtualHost)}{(isOperator ? "operator/" : "user/")}{Escape(name)}";

    /// <summary>The list of logs that hold delayed messages.</summary>
    public static string DelayLogs(string virtualHost) => $"{AllOf(virtualHost)}delay";

    /// <summary>Replaces '/', '%' and control characters by % and two hexadecimal digits. Different names stay different.</summary>
    public static string Escape(string name)
    {
        if (!name.AsSpan().ContainsAnyInRange('\0', '\x1f') && name.AsSpan().IndexOfAny('/', '%', '\x7f') < 0)
        {
            return name;
        }

        var escaped = new StringBuilder(name.Length + 8);
        foreach (char c in name)
        {
            _ = c is '/' or '%' or < ' ' or '\x7f' ? escaped.Append('%').Append(((int)c).ToString("X2")) : escaped.Append(c);
        }

        return escaped.ToString();
    }

    /// <summary>The name that was escaped.</summary>
    public static string Unescape(string escaped)
    {
        var name = new StringBuilder(escaped.Length);
        for (int i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] == '%')
            {
                name.Append((char)Convert.ToInt32(escaped.Substring(i + 1, 2), 16));
                i += 2;
            }
            else
            {
                name.Append(escaped[i]);
            }
        }

        return name.ToString();
    }

    private static string Fingerprint(Arguments arguments) =>
        arguments.Count == 0 ? "-" : Convert.ToHexStringLower(SHA256.HashData(DefinitionCodec.EncodeSorted(arguments)).AsSpan(0, 16));
}

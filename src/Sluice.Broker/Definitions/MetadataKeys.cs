using System.Security.Cryptography;
using System.Text;

namespace Sluice.Broker.Definitions;

/// <summary>
/// The keys of a broker's names in the metadata store. Names are escaped so that they hold no '/'; the values hold them as they are.
/// <code>
/// vhost/{vhost}/host                                                       the virtual host itself
/// vhost/{vhost}/queue/{name}                                               QueueDefinition
/// vhost/{vhost}/exchange/{name}                                            ExchangeDefinition
/// vhost/{vhost}/binding/{source}/{q|e}/{destination}/{key}/{arguments}     BindingDefinition; {arguments}: a fingerprint, '-' for none
/// vhost/{vhost}/policy/{name}                                              PolicyDefinition
/// vhost/{vhost}/operator-policy/{name}                                     PolicyDefinition
/// </code>
/// Keys under other words after {vhost} belong to those who define them.
/// </summary>
public static class MetadataKeys
{
    public const string VirtualHosts = "vhost/";

    public static string VirtualHost(string virtualHost) => $"{Host(virtualHost)}host";

    /// <summary>Prefix of everything that belongs to a virtual host.</summary>
    public static string Host(string virtualHost) => $"{VirtualHosts}{Escape(virtualHost)}/";

    public static string Queues(string virtualHost) => $"{Host(virtualHost)}queue/";

    public static string Queue(string virtualHost, string name) => Queues(virtualHost) + Escape(name);

    public static string Exchanges(string virtualHost) => $"{Host(virtualHost)}exchange/";

    public static string Exchange(string virtualHost, string name) => Exchanges(virtualHost) + Escape(name);

    public static string Bindings(string virtualHost) => $"{Host(virtualHost)}binding/";

    /// <summary>Prefix of the bindings of one source exchange.</summary>
    public static string Bindings(string virtualHost, string source) => $"{Bindings(virtualHost)}{Escape(source)}/";

    public static string Binding(string virtualHost, BindingDefinition binding) =>
        $"{Bindings(virtualHost, binding.Source)}{(binding.Kind == DestinationKind.Exchange ? 'e' : 'q')}/{Escape(binding.Destination)}/{Escape(binding.RoutingKey)}/{Fingerprint(binding.Arguments)}";

    public static string Policies(string virtualHost, bool isOperator) => $"{Host(virtualHost)}{(isOperator ? "operator-policy/" : "policy/")}";

    public static string Policy(string virtualHost, string name, bool isOperator) => Policies(virtualHost, isOperator) + Escape(name);

    /// <summary>Replaces '/', '%' and control characters by % and two hexadecimal digits per UTF-8 byte. Different names stay different.</summary>
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

    private static string Fingerprint(Arguments arguments) =>
        arguments.Count == 0 ? "-" : Convert.ToHexStringLower(SHA256.HashData(DefinitionCodec.EncodeSorted(arguments)).AsSpan(0, 16));
}

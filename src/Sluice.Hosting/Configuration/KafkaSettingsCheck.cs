using System.Net;

namespace Sluice.Hosting.Configuration;

/// <summary>Finds what is wrong with the settings of the Kafka listeners, each taken with the others.</summary>
internal static class KafkaSettingsCheck
{
    private const string Section = "Kafka";

    /// <summary>Adds each fault to <paramref name="faults"/>.</summary>
    public static void Check(KafkaSettings kafka, SettingFaults faults)
    {
        if (kafka.GroupSessionTimeoutMinMs > kafka.GroupSessionTimeoutMaxMs)
        {
            faults.AddContradiction(
                $"Kafka:GroupSessionTimeoutMinMs ({kafka.GroupSessionTimeoutMinMs}) must not be above Kafka:GroupSessionTimeoutMaxMs ({kafka.GroupSessionTimeoutMaxMs}): no consumer could join a group.",
                "Kafka:GroupSessionTimeoutMinMs",
                "Kafka:GroupSessionTimeoutMaxMs");
        }

        CheckHost($"{Section}:AdvertisedHost", $"{Section}:AdvertisedPort", kafka.AdvertisedHost, faults);
        CheckHost($"{Section}:Tls:AdvertisedHost", $"{Section}:Tls:AdvertisedPort", kafka.Tls.AdvertisedHost, faults);
        bool hasTls = kafka.Tls.CertificateFile.Length > 0;
        if (kafka.Address.Length == 0 && hasTls && kafka.AdvertisedPort > 0)
        {
            faults.AddContradiction(
                $"Kafka:AdvertisedPort ({kafka.AdvertisedPort}) is for clients of the plaintext listener, and there is none, since Kafka:Address is empty. For those of the TLS listener it is Kafka:Tls:AdvertisedPort.",
                "Kafka:AdvertisedPort",
                "Kafka:Address",
                "Kafka:Tls:CertificateFile");
        }

        if (!hasTls && (kafka.Tls.AdvertisedPort > 0 || kafka.Tls.AdvertisedHost.Length > 0))
        {
            faults.AddContradiction(
                "Kafka:Tls:CertificateFile is empty, so there is no TLS listener that Kafka:Tls:AdvertisedHost or Kafka:Tls:AdvertisedPort could be for.",
                "Kafka:Tls:CertificateFile",
                "Kafka:Tls:AdvertisedHost",
                "Kafka:Tls:AdvertisedPort");
        }
    }

    private static void CheckHost(string key, string portKey, string host, SettingFaults faults)
    {
        string? problem = host.Length == 0 ? null
            : Uri.CheckHostName(host) == UriHostNameType.Unknown ? $"is neither a host name nor an IP address: clients could not connect to it. Give the name alone, such as broker.example.org; the port is {portKey}"
            : IPAddress.TryParse(host, out IPAddress? address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)) ? "stands for all addresses of a machine, which is nothing that clients could connect to: give the name or address at which they reach the broker"
            : null;
        if (problem is not null)
        {
            faults.AddContradiction($"{key}: '{host}' {problem}.", key);
        }
    }
}

using System.Collections;
using Sluice.Hosting.Configuration;

namespace Sluice.Hosting.Tests;

public sealed class SettingsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-settings-");

    public void Dispose() => _directory.Delete(recursive: true);

    private string Json(string text)
    {
        string path = Path.Combine(_directory.FullName, "settings.json");
        File.WriteAllText(path, text);
        return path;
    }

    private string EmptyJson => Json("{}");

    private static SluiceSettings Read(string file, (string Name, string Value)[]? environment = null, string[]? assignments = null)
    {
        var variables = new Hashtable();
        foreach ((string name, string value) in environment ?? [])
        {
            variables[name] = value;
        }

        return SettingsReader.Read(file, variables, assignments ?? []);
    }

    private string ErrorOf(string json = "{}", (string Name, string Value)[]? environment = null, string[]? assignments = null) =>
        Assert.Throws<SettingsException>(() => Read(Json(json), environment, assignments)).Message;

    [Fact]
    public void Nothing_set_gives_the_defaults()
    {
        SluiceSettings settings = Read(EmptyJson);
        Assert.Equal(5672, settings.Amqp.Port);
        Assert.Equal(15672, settings.Admin.Port);
        Assert.Equal(5671, settings.Amqp.Tls.Port);
        Assert.Equal("./data", settings.DataDirectory);
        Assert.Equal(DurabilityPromise.Disk, settings.Durability);
        Assert.Equal(["guest"], settings.Security.LoopbackUsers);
        Assert.Equal(MemoryLimit.OfFraction(0.4), settings.Memory.Watermark);
    }

    [Fact]
    public void Every_kind_of_value_is_read_from_a_file()
    {
        SluiceSettings settings = Read(Json("""
            {
              // comments are allowed
              "Sluice": {
                "DataDirectory": "/var/lib/sluice",
                "Durability": "os",
                "Amqp": { "Port": 1234, "Tls": { "Tls13Only": true } },
                "Storage": { "SegmentBytes": "16 MB", "JournalBytesMax": 1048576 },
                "Memory": { "Watermark": "2GB" },
                "Security": { "LoopbackUsers": ["a", "b,c"] },
              }
            }
            """));
        Assert.Equal("/var/lib/sluice", settings.DataDirectory);
        Assert.Equal(DurabilityPromise.Os, settings.Durability);
        Assert.Equal(1234, settings.Amqp.Port);
        Assert.True(settings.Amqp.Tls.Tls13Only);
        Assert.Equal(16 << 20, settings.Storage.SegmentBytes);
        Assert.Equal(1 << 20, settings.Storage.JournalBytesMax);
        Assert.Equal(2L << 30, settings.Memory.Watermark.ToBytes(1));
        Assert.Equal(["a", "b,c"], settings.Security.LoopbackUsers);
    }

    [Fact]
    public void The_environment_wins_over_the_file_and_the_command_line_over_both()
    {
        string file = Json("""{ "Sluice": { "Amqp": { "Port": 1, "ChannelMax": 1, "FrameMax": 4096 } } }""");
        SluiceSettings settings = Read(
            file,
            [("Sluice__Amqp__ChannelMax", "2"), ("Sluice__Amqp__FrameMax", "8192"), ("PATH", "/bin"), ("SluiceLike", "x")],
            ["Amqp:FrameMax=16KB", "Sluice:Log:Level=warning"]);
        Assert.Equal(1, settings.Amqp.Port);
        Assert.Equal(2, settings.Amqp.ChannelMax);
        Assert.Equal(16 << 10, settings.Amqp.FrameMax);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Warning, settings.Log.Level);
    }

    [Fact]
    public void Lists_are_separated_by_commas_outside_of_files_and_may_be_empty()
    {
        Assert.Equal(["a", "b"], Read(EmptyJson, [("Sluice__Security__LoopbackUsers", "a, b")]).Security.LoopbackUsers);
        Assert.Empty(Read(EmptyJson, [("SLUICE__SECURITY__LOOPBACKUSERS", "")]).Security.LoopbackUsers);
    }

    [Theory]
    [InlineData("Sluice__Amqp__Prot", "1", "Amqp:Prot", "'Amqp:Port'")]
    [InlineData("Sluice__DataDir", "x", "DataDir", "'DataDirectory'")]
    [InlineData("Sluice__Http__Port", "1", "Http:Port", "'Amqp:Port'")]
    [InlineData("Sluice__Admin", "1", "Admin", "'Admin:Port'")]
    [InlineData("Sluice__Amqp__Port", "70000", "Sluice__Amqp__Port", "the nearest allowed is 65535")]
    [InlineData("Sluice__Amqp__Port", "-1", "Sluice__Amqp__Port", "the nearest allowed is 0")]
    [InlineData("Sluice__Amqp__Port", "amqp", "Sluice__Amqp__Port", "is not a whole number")]
    [InlineData("Sluice__Amqp__FrameMax", "1KB", "Sluice__Amqp__FrameMax", "the nearest allowed is 4 KB")]
    [InlineData("Sluice__Amqp__FrameMax", "much", "Sluice__Amqp__FrameMax", "not a number of bytes")]
    [InlineData("Sluice__Amqp__Tls__Tls13Only", "yes", "Sluice__Amqp__Tls__Tls13Only", "neither true nor false")]
    [InlineData("Sluice__Durability", "disc", "Sluice__Durability", "the nearest is 'Disk'")]
    [InlineData("Sluice__Durability", "2", "Sluice__Durability", "Memory, Os, Disk")]
    [InlineData("Sluice__Memory__Watermark", "1.5", "Sluice__Memory__Watermark", "neither a fraction")]
    [InlineData("Sluice__Memory__Watermark", "0", "Sluice__Memory__Watermark", "above 0")]
    [InlineData("Sluice__Memory__Watermark", "1MB", "Sluice__Memory__Watermark", "the nearest allowed is 32 MB")]
    public void An_unknown_key_or_a_value_not_allowed_is_refused_with_the_nearest(string name, string value, string named, string nearest)
    {
        string error = ErrorOf(environment: [(name, value)]);
        Assert.Contains(named, error, StringComparison.Ordinal);
        Assert.Contains(nearest, error, StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_are_told_at_once_with_where_they_are()
    {
        string error = ErrorOf(
            """{ "Sluice": { "Amqp": { "Prot": 1 }, "Durability": "none" }, "Logging": { "LogLevel": "x" } }""",
            [("Sluice__Limits__MessageBytesMax", "9TB")],
            ["Amqp:Port"]);
        Assert.Contains("5 errors", error, StringComparison.Ordinal);
        Assert.Contains("settings.json, Sluice:Amqp:Prot", error, StringComparison.Ordinal);
        Assert.Contains("settings.json, Sluice:Durability", error, StringComparison.Ordinal);
        Assert.Contains("'Logging:LogLevel'", error, StringComparison.Ordinal);
        Assert.Contains("environment variable Sluice__Limits__MessageBytesMax", error, StringComparison.Ordinal);
        Assert.Contains("command line: 'Amqp:Port'", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Secrets_are_not_repeated_in_messages()
    {
        Assert.All(SettingsCatalog.Entries, entry => Assert.Equal(entry.Key.EndsWith("Password", StringComparison.Ordinal) || entry.Key.EndsWith(":Secret", StringComparison.Ordinal), entry.Attribute.Secret));
    }

    [Theory]
    [InlineData("Connections:OutputLowWaterBytes=512KB", "below")]
    [InlineData("Limits:MessageBytesMax=512MB", "OutputHardLimitBytes")]
    [InlineData("Storage:TailBytesMax=1MB", "TailBytesPerLogMax")]
    [InlineData("Amqp:Address=nowhere", "Amqp:Address")]
    [InlineData("DataDirectory=", "DataDirectory is empty")]
    [InlineData("Amqp:Tls:Address=", "Amqp:Tls:Address")]
    [InlineData("Admin:Address=1.2.3.400", "Admin:Address")]
    [InlineData("Amqp:Tls:KeyFile=x", "CertificateFile")]
    [InlineData("Amqp:Tls:ClientCertificates=required", "CertificateFile")]
    [InlineData("Kafka:Tls:KeyFile=x", "Kafka:Tls:CertificateFile is empty")]
    [InlineData("Kafka:Tls:AdvertisedPort=19093", "Kafka:Tls:CertificateFile is empty")]
    [InlineData("Kafka:Address=nowhere", "Kafka:Address: 'nowhere' is not an IP address")]
    [InlineData("Kafka:GroupSessionTimeoutMinMs=1800001", "Kafka:GroupSessionTimeoutMinMs (1800001) must not be above Kafka:GroupSessionTimeoutMaxMs (1800000)")]
    [InlineData("Kafka:AdvertisedHost=my host", "Kafka:AdvertisedHost: 'my host' is neither a host name nor an IP address")]
    [InlineData("Kafka:AdvertisedHost=broker:9092", "the port is Kafka:AdvertisedPort")]
    [InlineData("Kafka:AdvertisedHost=PLAINTEXT://broker:9092", "neither a host name nor an IP address")]
    [InlineData("Kafka:AdvertisedHost=0.0.0.0", "stands for all addresses")]
    [InlineData("Kafka:Tls:AdvertisedHost=my host", "Kafka:Tls:AdvertisedHost: 'my host'")]
    public void Settings_that_contradict_each_other_are_refused(string assignment, string named) =>
        Assert.Contains(named, ErrorOf(assignments: [assignment]), StringComparison.Ordinal);

    [Theory]
    [InlineData("Kafka:Port=5672", "Amqp:Port and Kafka:Port are both 5672, at addresses (")]
    [InlineData("Admin:Port=9092", "Kafka:Port and Admin:Port are both 9092, at addresses (")]
    [InlineData("Kafka:Tls:CertificateFile=x Kafka:Tls:Port=9092", "Kafka:Port and Kafka:Tls:Port are both 9092, at addresses (")]
    [InlineData("Amqp:Address=127.0.0.1 Kafka:Address=0.0.0.0 Kafka:Port=5672", "Amqp:Port and Kafka:Port are both 5672, at addresses (127.0.0.1 and 0.0.0.0) where only one of them can listen")]
    [InlineData("Amqp:Address=:: Kafka:Address=localhost Kafka:Port=5672", "Amqp:Port and Kafka:Port are both 5672")]
    public void Two_listeners_in_each_others_way_are_refused(string assignments, string named) =>
        Assert.Contains(named, ErrorOf(assignments: assignments.Split(' ')), StringComparison.Ordinal);

    [Theory]
    [InlineData("Amqp:Port=0 Kafka:Port=0 Admin:Port=0")]
    [InlineData("Amqp:Address=127.0.0.1 Kafka:Address=127.0.0.2 Kafka:Port=5672")]
    [InlineData("Amqp:Address=0.0.0.0 Kafka:Address=::1 Kafka:Port=5672")]
    [InlineData("Kafka:Address= Admin:Port=9092")]
    [InlineData("Kafka:Tls:Port=9092")]
    public void Listeners_that_are_not_in_each_others_way_are_taken(string assignments) => Assert.NotNull(Read(EmptyJson, assignments: assignments.Split(' ')));

    [Fact]
    public void A_setting_that_is_like_none_has_no_nearest()
    {
        Assert.EndsWith("there is no setting 'Foo'.", ErrorOf(assignments: ["Foo=1"]), StringComparison.Ordinal);
        Assert.EndsWith("there is no setting 'Amqp:Prt'. The nearest is 'Amqp:Port'.", ErrorOf(assignments: ["Amqp:Prt=1"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Sections_that_there_are_not_and_contradictions_are_told_with_all_else()
    {
        string error = ErrorOf("""{ "Sluce": {}, "Sluice": { "Kafak": {}, "Amqp": {}, "Kafka": { "Port": "x" }, "Admin": { "Port": 5672 } } }""");
        Assert.Contains("has 4 errors", error, StringComparison.Ordinal);
        Assert.Contains("'Sluce' stands outside of the section 'Sluice'", error, StringComparison.Ordinal);
        Assert.Contains("there is no setting 'Kafak'", error, StringComparison.Ordinal);
        Assert.Contains("'x' is not a whole number", error, StringComparison.Ordinal);
        Assert.Contains("Amqp:Port and Admin:Port are both 5672", error, StringComparison.Ordinal);

        // What a setting would contradict that was not taken is not known.
        Assert.Contains("has an error", ErrorOf(assignments: ["Kafka:Port=many", "Admin:Port=9092"]), StringComparison.Ordinal);
        Assert.Contains("has an error", ErrorOf(assignments: ["Kafka:Adress=::1", "Admin:Port=9092"]), StringComparison.Ordinal);

        // A word that is no setting has nothing to do with those whose names it is part of.
        error = ErrorOf(assignments: ["Port=1", "Admin:Port=9092"]);
        Assert.Contains("has 2 errors", error, StringComparison.Ordinal);
        Assert.Contains("Kafka:Port and Admin:Port are both 9092", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("broker")]
    [InlineData("my_broker.example.org")]
    [InlineData("10.0.0.7")]
    [InlineData("2001:db8::7")]
    public void A_host_that_clients_can_connect_to_is_taken(string host) =>
        Assert.Equal(host, Read(EmptyJson, assignments: [$"Kafka:AdvertisedHost={host}"]).Kafka.AdvertisedHost);

    [Fact]
    public void The_port_of_one_listener_is_not_told_to_clients_of_the_other()
    {
        Assert.Contains("Kafka:Tls:AdvertisedPort", ErrorOf(assignments: ["Kafka:Address=", "Kafka:Tls:CertificateFile=x", "Kafka:AdvertisedPort=19092"]), StringComparison.Ordinal);
        SluiceSettings settings = Read(EmptyJson, assignments: ["Kafka:Tls:CertificateFile=x", "Kafka:AdvertisedPort=19092", "Kafka:Tls:AdvertisedPort=19093"]);
        Assert.Equal((19092, 19093, 9093), (settings.Kafka.AdvertisedPort, settings.Kafka.Tls.AdvertisedPort, settings.Kafka.Tls.Port));
    }

    [Fact]
    public void A_value_that_is_like_none_is_answered_with_all_and_none_is_called_the_nearest()
    {
        string error = ErrorOf(assignments: ["Durability=fsync"]);
        Assert.Contains("'fsync' is not one of Memory, Os, Disk.", error, StringComparison.Ordinal);
        Assert.Contains("is not one of Memory, Os, Disk: the nearest is 'Memory'.", ErrorOf(assignments: ["Durability=memmory"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_named_must_exist_and_be_JSON()
    {
        string missing = Path.Combine(_directory.FullName, "missing.json");
        Assert.Contains("missing.json", Assert.Throws<SettingsException>(() => Read(missing)).Message, StringComparison.Ordinal);
        Assert.Contains("settings.json: cannot be read", ErrorOf("{"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Port", "Prot", 1)]
    [InlineData("Port", "port", 1)]
    [InlineData("", "abc", 3)]
    [InlineData("kitten", "sitting", 3)]
    public void Edit_distance_counts_letters(string from, string to, int expected) => Assert.Equal(expected, EditDistance.Between(from, to));

    [Theory]
    [InlineData("0", 0)]
    [InlineData("65536", 65536)]
    [InlineData("64KB", 65536)]
    [InlineData("64 kib", 65536)]
    [InlineData("1.5GB", 1610612736)]
    [InlineData("-1", -1)]
    public void Bytes_are_read_as_people_write_them(string text, long expected)
    {
        Assert.True(ByteSize.TryParse(text, out long bytes));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("KB")]
    [InlineData("1.5")]
    [InlineData("1e3")]
    [InlineData("99999999999TB")]
    public void What_is_no_number_of_bytes_is_refused(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Fact]
    public void The_page_of_settings_is_what_the_code_says()
    {
        string page = Path.Combine(RepositoryRoot(), "docs", "operating", "configuration.md");
        string expected = SettingsPage.Write();
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            File.WriteAllText(page, expected);
        }

        Assert.True(File.Exists(page) && File.ReadAllText(page) == expected, "docs/operating/configuration.md is out of date: run this test with UPDATE_DOCS=1");
    }

    private static string RepositoryRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Sluice.slnx")))
        {
            directory = directory.Parent;
        }

        return directory!.FullName;
    }
}
